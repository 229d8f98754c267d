"""
Pictures and exports of scene graphs: draw.py on the image, panel.py beside it, nodes.py without it, graph.py for other
programs.
"""

from maskrcnn_benchmark.visualization.draw import draw_boxes, draw_graph, write_picture
from maskrcnn_benchmark.visualization.graph import to_dot, to_graphml, to_json, to_networkx, write_graph
from maskrcnn_benchmark.visualization.nodes import draw_nodes
from maskrcnn_benchmark.visualization.panel import agreement, side_by_side

__all__ = [
    "agreement", "draw_boxes", "draw_graph", "draw_nodes", "side_by_side", "to_dot", "to_graphml", "to_json",
    "to_networkx", "write_graph", "write_picture",
]  # fmt: skip
