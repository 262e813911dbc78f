"""From frames with ground truth to a model file: data, losses, Lightning module, export."""
