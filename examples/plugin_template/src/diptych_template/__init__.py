"""An encoder and a head for Diptych, to copy and make your own."""
