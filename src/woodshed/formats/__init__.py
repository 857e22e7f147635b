"""Music in and out: MIDI files, and the containment of those that strangers made."""
