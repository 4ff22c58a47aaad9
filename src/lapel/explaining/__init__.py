"""Why a model or a run gives a label: what in the picture it hangs on, and what it has learned from."""
