"""SSH algorithms that are broken, or that OpenSSH gave up: not used, whatever else a server offers."""

OLD = {
    "ciphers": ["aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"],
    "macs": ["hmac-sha1", "hmac-sha1-96", "hmac-md5", "hmac-md5-96"],
    "kex": [
        "diffie-hellman-group1-sha1", "diffie-hellman-group14-sha1",
        "diffie-hellman-group-exchange-sha1",
    ],
    "keys": ["ssh-rsa", "ssh-dss"],
    "pubkeys": ["ssh-rsa", "ssh-dss"],
}  # fmt: skip
"""As paramiko's `disabled_algorithms`: for `ssh-rsa`, an RSA key signs with SHA-2."""
