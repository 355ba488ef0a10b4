"""Quality in front of all models: each rule measures one thing of a series; policy says what follows."""
