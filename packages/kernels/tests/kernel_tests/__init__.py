"""What the tests of the operations share: devices, layouts, tolerances, oracles."""
