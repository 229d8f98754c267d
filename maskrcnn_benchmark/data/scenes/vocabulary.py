"""The words of the demo data set: classes, predicates, attributes, and how annotators blur them."""

OBJECTS = (
    "person", "horse", "dog", "bird", "car", "bicycle", "table", "chair", "bench", "tree",
    "house", "hat", "bag", "cup", "ball", "umbrella", "boat", "kite", "window", "wheel",
)  # fmt: skip

PREDICATES = (
    "on", "has", "near", "left of", "behind", "in front of", "above", "under", "wearing", "part of", "standing on",
    "sitting on", "lying on", "riding", "leaning on", "hanging from", "holding", "carrying", "leading", "feeding",
    "pushing", "kicking",
)  # fmt: skip

# The coarse head predicate that an annotator writes instead of the true one, and how often.
COARSE = {
    "standing on": ("on", 0.58), "sitting on": ("on", 0.40), "lying on": ("on", 0.40), "riding": ("on", 0.40),
    "leaning on": ("on", 0.45), "hanging from": ("on", 0.35), "part of": ("on", 0.55),
    "wearing": ("has", 0.40), "holding": ("has", 0.40), "carrying": ("has", 0.55),
    "leading": ("near", 0.25), "feeding": ("near", 0.25), "pushing": ("near", 0.25), "kicking": ("near", 0.25),
    "left of": ("near", 0.35), "behind": ("near", 0.15), "in front of": ("near", 0.15), "under": ("near", 0.15),
}  # fmt: skip

# RGB; the attribute of a thing is the name of its main colour, and of its pattern where it has one.
COLORS = {
    "red": (205, 50, 45), "orange": (235, 140, 40), "yellow": (240, 210, 70), "green": (70, 150, 70),
    "blue": (55, 95, 195), "purple": (130, 70, 160), "pink": (235, 140, 170), "brown": (130, 85, 50),
    "white": (238, 236, 230), "gray": (140, 142, 148), "black": (45, 45, 52), "tan": (205, 170, 120),
}  # fmt: skip
ATTRIBUTES = (*COLORS, "striped", "spotted", "standing", "sitting", "lying", "walking", "flying", "open", "closed")
