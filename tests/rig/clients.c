/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * clients: thousands of DHCPv4 clients in one process, and an oracle that watches what they are
 * told.
 *
 * Usage: clients INTERFACE [servers=IP,IP]
 *
 * `servers` is where relays send to, unless an order says otherwise.  Orders come as lines on
 * standard input, each answer is one line of JSON on standard output:
 *
 *   VERB CLIENT [key=value ...]
 *       discover discover-only select renew rebind reboot inform release decline forget
 *   range FIRST LAST VERB [rate=N] [key=value ...]
 *       the same for many clients, spread over time (default 200 a second)
 *   status | quit
 *
 * Keys: secs=N ask=IP want=SECONDS server=IP[,IP] from=IP (take offers of that server only)
 * timeout=SECONDS retransmit=1 broadcast=1 id=TEXT (repeated in the answers).  A client keeps,
 * until told otherwise: giaddr=IP client-id=HEX host-name=HEX option82=HEX (0.0.0.0 or
 * nothing to forget).
 *
 * Exit status: 0 after quit or end of input, 1 on errors, 3 after a violation found by the oracle.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "client_dialogue.h"
#include "client_wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE 1024
#define JOBS 64

/* An order for many clients, carried out at a steady rate. */
struct job {
    struct order order;
    uint32_t next, last;
    double due, step;
};

static struct job jobs[JOBS];
static unsigned job_count;

/* ---- reading orders ---- */

static bool parse_ip(const char *s, uint32_t *ip)
{
    struct in_addr a;

    if (inet_pton(AF_INET, s, &a) != 1)
        return false;
    *ip = ntohl(a.s_addr);
    return true;
}

static bool parse_ips(char *s, uint32_t *ips, unsigned *count)
{
    *count = 0;
    for (char *save, *p = strtok_r(s, ",", &save); p; p = strtok_r(NULL, ",", &save))
        if (*count == TARGETS_MAX || !parse_ip(p, &ips[(*count)++]))
            return false;
    return true;
}

static bool parse_hex(const char *s, uint8_t *data, size_t *len)
{
    const size_t n = strlen(s);

    if (n % 2 || n / 2 > ID_MAX || strspn(s, "0123456789abcdefABCDEF") != n)
        return false;
    for (size_t i = 0; i < n; i += 2) {
        const char digits[3] = {s[i], s[i + 1], '\0'};

        data[i / 2] = (uint8_t)strtoul(digits, NULL, 16);
    }
    *len = n / 2;
    return true;
}

static bool parse_number(const char *s, double *value)
{
    char *end;

    *value = strtod(s, &end);
    return *s && !*end && *value >= 0;
}

static bool parse_identity(struct order *o, const char *key, const char *value)
{
    if (strcmp(key, "giaddr") == 0)
        return o->set_giaddr = parse_ip(value, &o->giaddr);
    if (strcmp(key, "client-id") == 0)
        return o->set_client_id = parse_hex(value, o->client_id, &o->client_id_len);
    if (strcmp(key, "host-name") == 0)
        return o->set_host_name = parse_hex(value, o->host_name, &o->host_name_len);
    if (strcmp(key, "option82") == 0)
        return o->set_option82 = parse_hex(value, o->option82, &o->option82_len);
    return false;
}

static bool parse_key(struct order *o, double *rate, const char *key, char *value)
{
    double number = 0;
    const bool numeric = parse_number(value, &number);

    if (strcmp(key, "ask") == 0)
        return parse_ip(value, &o->ask);
    if (strcmp(key, "from") == 0)
        return parse_ip(value, &o->from);
    if (strcmp(key, "server") == 0)
        return parse_ips(value, o->servers, &o->server_count);
    if (strcmp(key, "id") == 0)
        return (size_t)snprintf(o->id, sizeof(o->id), "%s", value) < sizeof(o->id) &&
               !strpbrk(value, "\"\\");
    if (strcmp(key, "secs") == 0)
        return o->secs = (unsigned)number, numeric && number <= 65535;
    if (strcmp(key, "want") == 0)
        return o->want = (uint32_t)number, numeric;
    if (strcmp(key, "timeout") == 0)
        return o->timeout = number, numeric && number > 0;
    if (strcmp(key, "retransmit") == 0)
        return o->retransmit = number > 0, numeric;
    if (strcmp(key, "broadcast") == 0)
        return o->broadcast = number > 0, numeric;
    if (strcmp(key, "rate") == 0)
        return *rate = number, numeric && number > 0;
    return parse_identity(o, key, value);
}

static bool parse_verb(const char *s, enum verb *verb)
{
    for (int i = 0; s && i < VERB_COUNT; i++)
        if (strcmp(s, verb_names[i]) == 0) {
            *verb = (enum verb)i;
            return true;
        }
    return false;
}

static bool parse_client(const char *s, uint32_t *n)
{
    char *end;
    unsigned long v;

    if (!s || *s < '0' || *s > '9')
        return false;
    v = strtoul(s, &end, 10);
    *n = (uint32_t)v;
    return !*end && v < CLIENTS_MAX;
}

/* The keys up to the end of the line.  Returns NULL, or the word that cannot be understood. */
static const char *parse_keys(struct order *o, double *rate, char **save)
{
    for (char *word; (word = strtok_r(NULL, " \t\r\n", save)) != NULL;) {
        char *value = strchr(word, '=');

        if (!value)
            return word;
        *value++ = '\0';
        if (!parse_key(o, rate, word, value))
            return word;
    }
    if (o->timeout == 0)
        o->timeout = o->retransmit ? 60 : 3;
    return NULL;
}

static void refuse(const char *word)
{
    printf("{\"error\":\"cannot understand: %s\"}\n",
           word && !strpbrk(word, "\"\\") ? word : "line");
    fflush(stdout);
}

/* `word` is the first one of the line. */
static void order_line(char *word, char **save)
{
    struct job j = {.next = 0};
    double rate = 200;
    const bool many = strcmp(word, "range") == 0;
    const char *bad;

    if (many) {
        if (!parse_client(strtok_r(NULL, " \t\r\n", save), &j.next) ||
            !parse_client(strtok_r(NULL, " \t\r\n", save), &j.last) ||
            !parse_verb(strtok_r(NULL, " \t\r\n", save), &j.order.verb)) {
            refuse(word);
            return;
        }
    } else if (!parse_verb(word, &j.order.verb) ||
               !parse_client(strtok_r(NULL, " \t\r\n", save), &j.next)) {
        refuse(word);
        return;
    }
    bad = parse_keys(&j.order, &rate, save);
    if (bad || job_count == JOBS) {
        refuse(bad ? bad : "too many ranges");
    } else if (many) {
        j.due = unix_now();
        j.step = 1 / rate;
        jobs[job_count++] = j;
    } else {
        dialogue_start(j.next, &j.order, unix_now());
    }
}

/* Returns false when the process shall end. */
static bool command(char *line)
{
    char *save, *word = strtok_r(line, " \t\r\n", &save);

    if (!word)
        return true;
    if (strcmp(word, "quit") == 0)
        return false;
    if (strcmp(word, "status") == 0)
        oracle_print(unix_now());
    else
        order_line(word, &save);
    return true;
}

static bool read_commands(void)
{
    static char buffer[64 * LINE];
    static size_t used;
    const ssize_t n = read(STDIN_FILENO, buffer + used, sizeof(buffer) - used - 1);
    char *line = buffer, *end;

    if (n <= 0)
        return n < 0 && errno == EINTR;
    used += (size_t)n;
    buffer[used] = '\0';
    while ((end = strchr(line, '\n')) != NULL) {
        *end = '\0';
        if (!command(line))
            return false;
        line = end + 1;
    }
    used -= (size_t)(line - buffer);
    memmove(buffer, line, used);
    return used < sizeof(buffer) - 1;
}

/* ---- the loop ---- */

/* Starts what is due and returns the seconds until the next start, at most `limit`. */
static double run_jobs(double limit)
{
    for (unsigned i = 0; i < job_count; i++) {
        struct job *j = &jobs[i];

        for (double now = unix_now(); j->next <= j->last && j->due <= now; j->due += j->step)
            dialogue_start(j->next++, &j->order, unix_now());
        if (j->next > j->last)
            *j = jobs[--job_count], i--;
        else
            limit = fmax(0, fmin(limit, j->due - unix_now()));
    }
    return limit;
}

static void loop(int wire)
{
    struct pollfd fds[2] = {{STDIN_FILENO, POLLIN, 0}, {wire, POLLIN, 0}};

    for (;;) {
        const double wait = dialogue_wait(unix_now(), run_jobs(60));

        if (poll(fds, 2, (int)ceil(wait * 1000)) < 0 && errno != EINTR) {
            perror("poll");
            exit(1);
        }
        if (fds[1].revents)
            wire_receive(dialogue_answer);
        if (fds[0].revents && !read_commands())
            return;
        dialogue_timers(unix_now());
    }
}

int main(int argc, char **argv)
{
    uint32_t servers[TARGETS_MAX];
    unsigned count = 0;

    if (argc < 2 || argc > 3 ||
        (argc == 3 &&
         (strncmp(argv[2], "servers=", 8) != 0 || !parse_ips(argv[2] + 8, servers, &count)))) {
        fprintf(stderr, "usage: clients INTERFACE [servers=IP,IP]\n");
        return 1;
    }
    signal(SIGINT, SIG_IGN); /* the terminal means the one who started us; end of input ends us */
    srand48((long)(unix_now() * 1e6) ^ getpid());
    dialogue_init();
    dialogue_default_servers(servers, count);
    loop(wire_open(argv[1]));
    return 0;
}
