"""Reports of a run: for a terminal, as JSON, JUnit XML, Markdown, and a page of HTML."""
