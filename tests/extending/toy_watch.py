"""A watch of one's own: a line for every epoch that was the best so far.

A package offers it to `lapel train --watch toy` with an entry point:

    [project.entry-points."lapel.watches"]
    toy = "toy_watch:Best"
"""

from lapel.training.watch import Watch


class Best(Watch):
    def begin(self, beginning):
        self.lines = [f"{beginning.recipe.name}, seed {beginning.environment['seed']}"]

    def epoch(self, epoch, seconds, best):
        if best:
            self.lines.append(f"epoch {epoch.number}: {epoch.validation_accuracy:.1%} in {seconds:.1f} s")

    def end(self):
        print("\n".join(self.lines))


# lapel.train("cnn", watches=[Best()])
