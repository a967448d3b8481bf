"""The files that are private everywhere, by their names."""

import functools

from lsp_server.privacy.ignore_files import IgnorePatterns

__all__ = ["DEFAULT_RULES", "default_patterns"]

DEFAULT_RULES = """\
# Environments
.env
.env.*
*.env
.envrc
!.env.example
!.env.sample
!.env.template
!.env.dist
!example.env
!sample.env
!template.env

# Private keys, certificates and key stores
*.pem
*.key
*.p8
*.p12
*.pfx
*.p7b
*.p7c
*.crt
*.cer
*.der
*.jks
*.keystore
*.ppk
*.gpg
*.pgp
*.ovpn
*.snk
*.agekey
*.kdb
*.kdbx
id_rsa*
id_dsa*
id_ecdsa*
id_ed25519*
ssh_host_*_key
.ssh/
.gnupg/
.password-store/

# Credentials
credentials
.credentials
credentials.json
credentials.yaml
credentials.yml
credentials.yml.enc
credentials.toml
credentials.ini
credentials.csv
credentials.txt
credentials.xml
credentials.properties
*-credentials.json
*_credentials.json
client_secret*.json
service-account*.json
service_account*.json
.secrets
secrets.json
secrets.yaml
secrets.yml
secrets.toml
secrets.ini
secrets.properties
local.settings.json
.netrc
_netrc
.npmrc
.yarnrc
.yarnrc.yml
.pypirc
.pgpass
.my.cnf
.git-credentials
**/.git/config
.dockercfg
**/.docker/config.json
.htpasswd
.s3cfg
.boto
.vault-token
.aws/
.azure/
**/.config/gcloud/
**/.kube/config
kubeconfig
*.kubeconfig
*.tfvars
*.tfvars.json
*.tfstate
*.tfstate.*
.terraformrc

# What was typed into shells
.bash_history
.zsh_history
.sh_history
.python_history
.node_repl_history
.psql_history
.mysql_history
.sqlite_history
"""
"""In the syntax of ``.gitignore``; upper and lower case are the same."""


@functools.cache
def default_patterns() -> IgnorePatterns:
    """Return the default rules, compiled."""
    return IgnorePatterns.of(DEFAULT_RULES.splitlines(), folds_case=True)
