"""What an application's repository needs so that it can be deployed: found, and written for a person.

Here belongs what decides what `homeguru init` writes. What reads the repository and writes files is
`infra/onboarding/`.
"""
