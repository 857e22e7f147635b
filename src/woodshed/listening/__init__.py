"""From notes to sound: who plays what, engines, mixing, loudness, files and the sound card."""
