"""The fixtures of these tests are a plugin, which other folders share."""

pytest_plugins = ["world_fixtures"]
