"""A verb from outside: `lapel twins ONE OTHER`. Its package names it in its pyproject.toml, and that is all:

[project.entry-points."lapel.commands"]
twins = "toy_verb:twins"
"""

import click


@click.command()
@click.argument("one")
@click.argument("other")
def twins(one: str, other: str) -> None:
    """Say whether the photos ONE and OTHER have the same label."""
    import lapel  # late: `lapel twins --help` needs no model

    tagger = lapel.load_tagger()
    same = tagger.tag(one).label == tagger.tag(other).label
    click.echo("the same label" if same else "different labels")
