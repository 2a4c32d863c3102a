"""What says when: one Prefect flow a verb."""
