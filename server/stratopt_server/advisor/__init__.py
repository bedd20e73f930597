"""Advice in plain words: by rules, or by a language model whose every number and range is checked."""
