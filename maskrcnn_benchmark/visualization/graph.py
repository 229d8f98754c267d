"""Scene graphs for other programs: networkx, JSON, GraphML, DOT."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import networkx as nx

from maskrcnn_benchmark.utils.console import printable
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.files import write_text
from maskrcnn_benchmark.visualization.draw import object_names

if TYPE_CHECKING:
    from maskrcnn_benchmark.visualization.scene_graph import SceneGraph


def to_networkx(graph: SceneGraph) -> nx.MultiDiGraph:
    """
    Nodes are the rows of graph.objects with `label`, `name` (numbered where a class repeats), `score`, `x1`, `y1`,
    `x2`, `y2`; edges are relations with `predicate`, `score`, and `term_<name>` where prediction was asked for terms;
    the graph has `width` and `height`. All values are plain, and texts printable, as GraphML wants.
    """
    result = nx.MultiDiGraph(width=graph.size[0], height=graph.size[1])
    for row, (item, name) in enumerate(zip(graph.objects, object_names(graph), strict=True)):
        corners = dict(zip(("x1", "y1", "x2", "y2"), map(float, item.box), strict=True))
        result.add_node(row, label=printable(item.label), name=printable(name), score=float(item.score), **corners)
    for relation in graph.relations:
        terms = {f"term_{name}": float(value) for name, value in (relation.terms or {}).items()}
        told = {"predicate": printable(relation.predicate), "score": float(relation.score), **terms}
        result.add_edge(relation.subject, relation.object, **told)
    return result


def to_json(graph: SceneGraph) -> str:
    """The graph as JSON: SceneGraph.to_dict, which SceneGraph.from_dict reads."""
    return json.dumps(graph.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_graphml(graph: SceneGraph) -> str:
    """The graph as GraphML (yEd, Gephi, Cytoscape)."""
    return "\n".join(nx.generate_graphml(to_networkx(graph))) + "\n"


def to_dot(graph: SceneGraph) -> str:
    """The graph in Graphviz's language."""
    lines = ["digraph scene {", "  rankdir=LR;", '  node [shape=box, style="rounded,filled", fillcolor="#eef2f7"];']
    related = {end for relation in graph.relations for end in (relation.subject, relation.object)}
    names = object_names(graph)
    lines += [f"  n{row} [label={_quoted(names[row])}];" for row in range(len(names)) if row in related or not related]
    lines += [f"  n{one.subject} -> n{one.object} [label={_quoted(one.predicate)}];" for one in graph.relations]
    return "\n".join([*lines, "}"]) + "\n"


WRITERS = {".json": to_json, ".graphml": to_graphml, ".dot": to_dot}


def write_graph(path: str | Path, graph: SceneGraph) -> None:
    """Writes a graph in the format that the suffix names, atomically; UserError for another suffix."""
    path = Path(path)
    if path.suffix not in WRITERS:
        raise UserError(f"{path}: a scene graph is written as {', '.join(WRITERS)}, found '{path.suffix}'")
    write_text(path, WRITERS[path.suffix](graph))


def _quoted(text: str) -> str:
    return '"' + printable(text).replace("\\", "\\\\").replace('"', '\\"') + '"'
