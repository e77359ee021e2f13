"""The torch modules behind the specs; imported only by a spec's `build` or `load_weights`."""
