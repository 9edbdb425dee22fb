/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * A scenario file as data: scenarios, each a list of statements, and the tables whose rows a scenario
 * is played for. CONTRIBUTING.md shows the language; what a statement means is in statements.c.
 *
 * A file is lines of words; "quoted words" are one; # begins a comment. `scenario WORDS...` begins
 * a scenario. Lines that begin with | are the rows of the table that the line before begins:
 *
 *   table                          each row is one performance; the first names the columns, which
 *     | THEIRS | ANSWER          |   the statements use in place of words
 *     | ACTIVE | reject 2        |
 *   matrix OURS THEIRS ANSWER      the same, drawn as the draft does: rows, columns, and what is where
 *     |      | ACTIVE | EXPIRED  |   they meet; a cell "-" is left out
 *     | FREE | accept | accept   |
 */
#ifndef FO_TESTS_SCENARIOS_SCRIPT_H
#define FO_TESTS_SCENARIOS_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

enum { WORDS_MAX = 64, COLUMNS_MAX = 10, REPORT_MAX = 2400 };

struct line {
    int number;
    size_t count;
    const char *words[WORDS_MAX];
};

/* The values of a table's columns in one performance. */
struct row {
    int number; /* of its line */
    const char *values[COLUMNS_MAX];
};

struct scenario {
    int number;
    const char *title;
    struct line *lines;
    size_t count;
    size_t column_count, row_count; /* 0: there is no table, and one performance */
    const char *columns[COLUMNS_MAX + 1]; /* and NULL */
    struct row *rows;
};

struct script {
    const char *file;
    struct scenario *scenarios;
    size_t count;
    char **blocks; /* of memory that the rest points into */
    size_t block_count;
};

/* Reads a file, or a text in its place (`text` NULL: the file). False with a report "FILE:LINE: what is
   wrong". */
bool script_read(struct script *script, const char *file, const char *text, char report[REPORT_MAX]);
void script_free(struct script *script);
/* A line's words with the row's values in place of the columns' names, in `out`; the text is kept in
   `space`. False: too long. */
bool script_fill(const struct scenario *scenario, const struct row *row, const struct line *line,
                 struct line *out, char *space, size_t size);

/* Plays all scenarios of the file. False with a report "FILE:LINE: expected ..., came ...". `trace`:
   everything that happens is told on stdout. */
bool script_play(const struct script *script, bool trace, char report[REPORT_MAX]);
/* One of them, for one row of its table (NULL: it has none). */
bool script_perform(const struct script *script, const struct scenario *scenario,
                    const struct row *row, bool trace, char report[REPORT_MAX]);
/* Plays it with each expectation made wrong (mutation.c); how many there were. `survivors`: those that
   were not reported, or empty. */
size_t script_mutate(struct script *script, char survivors[REPORT_MAX]);

#endif
