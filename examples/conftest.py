"""The template's tests run where it is installed: see tests/integration/test_plugin_template.py."""

collect_ignore = ["plugin_template"]
