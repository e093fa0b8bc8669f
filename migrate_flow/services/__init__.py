"""One verb a file: gather, decide, act, record, report. Nothing here prints."""
