"""A trained model for other programs: an ONNX graph, a torch.export program, or its weights alone."""
