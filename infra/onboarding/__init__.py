"""Reading an application's repository for `homeguru init`, and writing what it lacks.

Here belongs what touches files; what is written is decided in `deployments/onboarding/`.
"""
