"""Models that users would choose: what is known of them, which fits, how to get one."""
