"""Music out of models: prompts, masks, knobs, given parts, and how what comes out was made."""
