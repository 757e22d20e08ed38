"""How a promotion is refused or fails. Either way work tree, index and HEAD are as they were."""


class PromotionRefused(Exception):
    """The promotion can't be made; the message says why and what would be right, in a sentence or a few."""


def plain(text: str, most: int = 200) -> str:
    """What others wrote (names, tags, messages) is data: one printable line of at most `most` characters."""
    return "".join(character if character.isprintable() else " " for character in text[:most]).strip()
