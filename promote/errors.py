"""How a promotion is refused or fails. Either way work tree, index and HEAD are as they were."""


class PromotionRefused(Exception):
    """The promotion can't be made; the message says why and what would be right, in a sentence or a few."""
