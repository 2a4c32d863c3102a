# docker buildx bake -f docker/docker-bake.hcl            builds the three images
# Each variable can be set in the environment; paths may be absolute and apart from each other.

# Root of the application's source.
variable "CONTEXT" {
  default = "."
}

# Where the Dockerfiles lie.
variable "DOCKERFILES" {
  default = "docker"
}

variable "PYTHON_IMAGE" {
  default = "python:3.11-slim"
}

variable "NODE_IMAGE" {
  default = "node:20-slim"
}

# The API's address as browsers see it; becomes part of the frontend's image.
variable "NEXT_PUBLIC_API_URL" {
  default = ""
}

# Debian packages that the application calls, apart by spaces: "ffmpeg libpq5".
variable "SYSTEM_PACKAGES" {
  default = ""
}

# Repositories for the build cache, one tag an image; empty means none.
# An engine without the containerd image store cannot export it.
variable "CACHE_FROM" {
  default = ""
}

variable "CACHE_TO" {
  default = ""
}

# "min" or "max" attests how the image was made; empty keeps the digest that of the image alone.
variable "PROVENANCE" {
  default = ""
}

# "true" attests what each image is made of, as an SBOM in SPDX; empty means none. A scanner, an image of
# its own, is pulled for it. An engine without the containerd image store cannot store one.
variable "SBOM" {
  default = ""
}

function "cache_from" {
  params = [name]
  result = CACHE_FROM == "" ? [] : ["type=registry,ref=${CACHE_FROM}:${name}"]
}

function "cache_to" {
  params = [name]
  result = CACHE_TO == "" ? [] : ["type=registry,ref=${CACHE_TO}:${name},mode=max,ignore-error=true"]
}

group "default" {
  targets = ["all"]
}

group "all" {
  targets = ["bot", "api", "frontend"]
}

target "_image" {
  context = CONTEXT
  attest = concat(
    [PROVENANCE == "" ? "type=provenance,disabled=true" : "type=provenance,mode=${PROVENANCE}"],
    SBOM == "true" ? ["type=sbom"] : [],
  )
}

target "_python" {
  inherits = ["_image"]
  args = {
    PYTHON_IMAGE    = PYTHON_IMAGE
    SYSTEM_PACKAGES = SYSTEM_PACKAGES
  }
}

# The stage that bot and api share: as a target of its own it is built once, and both get the same layers.
target "python-deps" {
  inherits   = ["_python"]
  dockerfile = "${DOCKERFILES}/Dockerfile.api"
  target     = "deps"
}

target "bot" {
  inherits   = ["_python"]
  dockerfile = "${DOCKERFILES}/Dockerfile.bot"
  contexts   = { deps = "target:python-deps" }
  tags       = ["homeguru-bot:local"]
  cache-from = cache_from("bot")
  cache-to   = cache_to("bot")
}

target "api" {
  inherits   = ["_python"]
  dockerfile = "${DOCKERFILES}/Dockerfile.api"
  contexts   = { deps = "target:python-deps" }
  tags       = ["homeguru-api:local"]
  cache-from = cache_from("api")
  cache-to   = cache_to("api")
}

target "frontend" {
  inherits   = ["_image"]
  dockerfile = "${DOCKERFILES}/Dockerfile.frontend"
  args = {
    NODE_IMAGE          = NODE_IMAGE
    NEXT_PUBLIC_API_URL = NEXT_PUBLIC_API_URL
  }
  tags       = ["homeguru-frontend:local"]
  cache-from = cache_from("frontend")
  cache-to   = cache_to("frontend")
}
