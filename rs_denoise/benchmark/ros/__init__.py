"""A recorded camera, the node and a consumer, in three processes over DDS."""
