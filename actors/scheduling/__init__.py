"""Who runs when: the scheduler, its trio tasks, what handlers wait for, time, the collector."""
