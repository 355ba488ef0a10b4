"""Growth: the lesions of one patient followed from study to study."""
