"""The life of one request, on one page: parse -> who -> may they -> where -> with what -> forward -> record."""
