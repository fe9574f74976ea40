"""Scene graph generation on PSG: the published protocols, defects included, and corrected ones."""
