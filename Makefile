.PHONY: check lock

check: ## format, lint, types, tests
	bin/check

lock: ## bring both lock files up to date with pyproject.toml (needs uv)
	uv lock --upgrade
	uv export --quiet --no-emit-project --group build --output-file requirements.lock
	uv export --quiet --no-emit-project --group build --all-extras --output-file requirements-dev.lock
