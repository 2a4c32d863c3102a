"""How an image is built: its Dockerfile, its context, and the inputs that decide its content.

Here belong readers of Dockerfiles and listings. Files are listed and images built in `infra/publish`;
what was built is recorded by a manifest, in `release`.
"""
