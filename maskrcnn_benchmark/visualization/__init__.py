"""
Scene graphs with names (scene_graph.py), their pictures, draw.py on the image, panel.py beside it, nodes.py without it,
and their exports, graph.py.
"""

from maskrcnn_benchmark.visualization.draw import draw_boxes, draw_graph, write_picture
from maskrcnn_benchmark.visualization.graph import to_dot, to_graphml, to_json, to_networkx, write_graph
from maskrcnn_benchmark.visualization.nodes import draw_nodes
from maskrcnn_benchmark.visualization.panel import agreement, side_by_side
from maskrcnn_benchmark.visualization.scene_graph import SceneGraph

__all__ = [
    "SceneGraph", "agreement", "draw_boxes", "draw_graph", "draw_nodes", "side_by_side", "to_dot", "to_graphml",
    "to_json", "to_networkx", "write_graph", "write_picture",
]  # fmt: skip
