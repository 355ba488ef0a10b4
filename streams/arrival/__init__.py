"""Images land: what they claim is held against what is known of their study."""
