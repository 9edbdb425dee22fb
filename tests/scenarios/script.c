/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/* See script.h. */
#include "tests/scenarios/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ memory */

static void *keep(struct script *script, size_t size)
{
    script->blocks = realloc(script->blocks, (script->block_count + 1) * sizeof *script->blocks);
    if (script->blocks == NULL)
        abort();
    char *block = calloc(1, size + 1);
    if (block == NULL)
        abort();
    script->blocks[script->block_count++] = block;
    return block;
}

/* One more of `size` bytes at the end of an array. */
static void *append(void *array, size_t *count, size_t size)
{
    void *bytes = realloc(array, (*count + 1) * size);
    if (bytes == NULL)
        abort();
    memset((char *)bytes + *count * size, 0, size);
    ++*count;
    return bytes;
}

void script_free(struct script *script)
{
    for (size_t i = 0; i < script->count; i++) {
        free(script->scenarios[i].lines);
        free(script->scenarios[i].rows);
    }
    for (size_t i = 0; i < script->block_count; i++)
        free(script->blocks[i]);
    free(script->blocks);
    free(script->scenarios);
    *script = (struct script){0};
}

/* ------------------------------------------------------------------ words */

/* Splits `text`, which it writes into. NULL, or what is wrong. */
static const char *split(char *text, struct line *line)
{
    char *at = text;
    for (;;) {
        at += strspn(at, " \t");
        if (*at == '\0' || *at == '#')
            return NULL;
        if (line->count == WORDS_MAX)
            return "too many words";
        const bool quoted = *at == '"';
        line->words[line->count++] = at += quoted;
        at += strcspn(at, quoted ? "\"" : " \t");
        if (quoted && *at == '\0')
            return "a quotation without its end";
        if (*at != '\0')
            *at++ = '\0';
    }
}

/* The cells of a row, without the blanks around them. NULL, or what is wrong. */
static const char *cells(char *text, const char *values[], size_t *count)
{
    char *at = strchr(text, '|') + 1, *end;
    for (*count = 0; (end = strchr(at, '|')) != NULL; at = end + 1) {
        if (*count == COLUMNS_MAX)
            return "too many columns";
        char *last = end;
        at += strspn(at, " \t");
        while (last > at && (last[-1] == ' ' || last[-1] == '\t'))
            last--;
        *last = '\0';
        values[(*count)++] = at;
    }
    at += strspn(at, " \t");
    return *at == '\0' || *at == '#' ? NULL : "a row ends with |";
}

/* ------------------------------------------------------------------ tables */

enum shape { NO_TABLE, TABLE, MATRIX };

struct reader {
    struct script *script;
    struct scenario *scenario;
    enum shape shape; /* of the table whose rows come now */
    bool headed;      /* its first row was read */
    const char *across[COLUMNS_MAX]; /* a matrix's columns */
    size_t across_count;
};

static struct row *add_row(struct scenario *scenario, int number)
{
    scenario->rows = append(scenario->rows, &scenario->row_count, sizeof *scenario->rows);
    scenario->rows[scenario->row_count - 1].number = number;
    return &scenario->rows[scenario->row_count - 1];
}

static const char *take_row(struct reader *reader, char *text, int number)
{
    struct scenario *scenario = reader->scenario;
    const char *values[COLUMNS_MAX] = {NULL};
    size_t count;
    const char *wrong = cells(text, values, &count);
    if (wrong != NULL)
        return wrong;
    const bool head = !reader->headed;
    const size_t due = reader->shape == TABLE ? scenario->column_count : reader->across_count + 1;
    if (!head && count != due)
        return "a row of another length than the first";
    reader->headed = true;
    if (head && reader->shape == TABLE) {
        memcpy(scenario->columns, values, sizeof values);
        scenario->column_count = count;
    } else if (head) {
        memcpy(reader->across, values + 1, sizeof values - sizeof values[0]);
        reader->across_count = count - 1;
    } else if (reader->shape == TABLE) {
        memcpy(add_row(scenario, number)->values, values, sizeof values);
    } else {
        for (size_t i = 1; i < count; i++)
            if (strcmp(values[i], "-") != 0) {
                struct row *row = add_row(scenario, number);
                row->values[0] = values[0];
                row->values[1] = reader->across[i - 1];
                row->values[2] = values[i];
            }
    }
    return NULL;
}

/* ------------------------------------------------------------------ lines */

static const char *begin_table(struct reader *reader, const struct line *line)
{
    struct scenario *scenario = reader->scenario;
    const bool matrix = strcmp(line->words[0], "matrix") == 0;
    if (scenario->column_count != 0 || scenario->count != 0)
        return "one table, before the statements";
    if (line->count != (matrix ? 4U : 1U))
        return "table, or matrix ROWS COLUMNS CELLS";
    reader->shape = matrix ? MATRIX : TABLE;
    reader->headed = false;
    for (size_t i = 1; i < line->count; i++)
        scenario->columns[scenario->column_count++] = line->words[i];
    return NULL;
}

static const char *take_line(struct reader *reader, char *text, int number)
{
    struct script *script = reader->script;
    struct line line = {.number = number};
    if (text[strspn(text, " \t")] == '|')
        return reader->shape == NO_TABLE ? "a row of no table" : take_row(reader, text, number);
    const char *title = text + strspn(text, " \t");
    const bool begins = strncmp(title, "scenario ", 9) == 0;
    if (begins) {
        script->scenarios = append(script->scenarios, &script->count, sizeof *script->scenarios);
        reader->scenario = &script->scenarios[script->count - 1];
        reader->scenario->number = number;
        reader->scenario->title = title + 9;
        reader->shape = NO_TABLE;
        return NULL;
    }
    const char *wrong = split(text, &line);
    if (wrong != NULL || line.count == 0)
        return wrong;
    if (reader->scenario == NULL)
        return "a statement before the first scenario";
    if (strcmp(line.words[0], "table") == 0 || strcmp(line.words[0], "matrix") == 0)
        return begin_table(reader, &line);
    reader->shape = NO_TABLE;
    struct scenario *scenario = reader->scenario;
    scenario->lines = append(scenario->lines, &scenario->count, sizeof *scenario->lines);
    scenario->lines[scenario->count - 1] = line;
    return NULL;
}

static char *read_file(struct script *script, const char *file)
{
    FILE *stream = fopen(file, "r");
    if (stream == NULL)
        return NULL;
    fseek(stream, 0, SEEK_END);
    const long size = ftell(stream);
    rewind(stream);
    char *text = keep(script, size > 0 ? (size_t)size : 0);
    const bool whole = size >= 0 && fread(text, 1, (size_t)size, stream) == (size_t)size;
    fclose(stream);
    return whole ? text : NULL;
}

bool script_read(struct script *script, const char *file, const char *text, char report[REPORT_MAX])
{
    *script = (struct script){.file = file};
    struct reader reader = {.script = script};
    char *at = text != NULL ? strcpy(keep(script, strlen(text)), text) : read_file(script, file);
    if (at == NULL) {
        snprintf(report, REPORT_MAX, "%s: it cannot be read", file);
        return false;
    }
    for (int number = 1; at != NULL; number++) {
        char *end = strchr(at, '\n');
        if (end != NULL)
            *end++ = '\0';
        const char *wrong = take_line(&reader, at, number);
        if (wrong != NULL) {
            snprintf(report, REPORT_MAX, "%s:%d: %s", file, number, wrong);
            return false;
        }
        at = end;
    }
    for (size_t i = 0; i < script->count; i++)
        if (script->scenarios[i].count == 0 ||
            (script->scenarios[i].column_count != 0 && script->scenarios[i].row_count == 0)) {
            snprintf(report, REPORT_MAX, "%s:%d: an empty scenario or table", file,
                     script->scenarios[i].number);
            return false;
        }
    if (script->count == 0)
        snprintf(report, REPORT_MAX, "%s: there is no scenario in it", file);
    return script->count > 0;
}

bool script_fill(const struct scenario *scenario, const struct row *row, const struct line *line,
                 struct line *out, char *space, size_t size)
{
    out->number = line->number;
    out->count = 0;
    for (size_t i = 0; i < line->count; i++) {
        const char *word = line->words[i];
        size_t column = 0;
        while (column < scenario->column_count && strcmp(word, scenario->columns[column]) != 0)
            column++;
        if (row == NULL || column == scenario->column_count) {
            if (out->count == WORDS_MAX)
                return false;
            out->words[out->count++] = word;
            continue;
        }
        const size_t length = strlen(row->values[column]) + 1;
        if (length > size)
            return false;
        memcpy(space, row->values[column], length);
        if (split(space, out) != NULL)
            return false;
        space += length;
        size -= length;
    }
    return true;
}
