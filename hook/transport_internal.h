/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What transport.c (what any thread may do: begin, listen, queue) and transport_socket.c (what the
 * loop's thread does with sockets) share. Members are marked: [m] under the mutex, [l] of the
 * loop's thread, [c] constant once the connection is in the list.
 */
#ifndef FO_HOOK_TRANSPORT_INTERNAL_H
#define FO_HOOK_TRANSPORT_INTERNAL_H

#include <pthread.h>

#include "hook/transport.h"

enum {
    /* A BNDACK for each BNDUPD of a whole window, and as much as the service packs ahead, are 1.3 MB at most:
       reaching it means that the partner reads nothing. */
    FO_SEND_QUEUE_MAX = 4 << 20,
    FO_UNSENT_MAX = 64 << 10, /* bytes that the kernel takes and cannot send yet */
    /* How long a closed connection may take to write what waits and see the partner's end. */
    FO_LINGER_MILLISECONDS = 2000,
    /* Beyond so many closed connections that linger, they are cut off: nobody may use up the
       server's descriptors by connecting over and over. 31 relationships and one. */
    FO_LINGER_MAX = 32,
    /* Without descriptors or memory, accepting waits: epoll would report the same for ever. */
    FO_ACCEPT_PAUSE_MILLISECONDS = 5000,
    FO_READ_SIZE = 64 << 10, /* one read */
    /* What the service is given of it at once, under its lock: of BNDACKs these are a thousand bindings, a
       millisecond; a burst of a partner's BNDUPDs is judged together. */
    FO_TAKE_SIZE = 8 << 10,
};

struct fo_buffer {
    uint8_t *data;
    size_t start, end, size;
};

enum fo_connection_state { FO_TO_CONNECT, FO_CONNECTING, FO_OPEN };

struct fo_tcp {
    struct fo_tcp *next; /* [m]; taken out by the loop's thread only */
    fo_connection id;    /* [c] */
    uint32_t local, remote; /* [c] */
    uint16_t port;          /* [c] */
    bool todo;              /* [m] fo_transport_work has to look at it */
    bool closing;           /* [m] closed by the service, which hears no more of it */
    int64_t close_by;       /* [m] if closing */
    struct fo_buffer waiting; /* [m] given by the service, in order */
    size_t queued;            /* [m] bytes in `waiting` and `writing` */

    enum fo_connection_state state; /* [l] */
    int descriptor;                 /* [l] -1: none yet */
    struct fo_buffer writing;       /* [l] being written, before what waits */
    bool blocked;                   /* [l] the socket takes no more now */
    bool wrote;                     /* [l] anything was ever written */
    bool shut;                      /* [l] our side is shut down */
    int write_error;                /* [l] an errno: writing is over, reading ends it */
};

struct fo_listener {
    struct fo_listener *next; /* [m] as all of it */
    uint32_t id;
    uint32_t address;
    uint16_t port;
    int descriptor;
};

struct fo_transport {
    struct fo_poller *poller;
    const struct fo_env *env;
    pthread_mutex_t mutex;
    struct fo_tcp *connections;     /* [m] new ones come first */
    struct fo_listener *listeners;  /* [m] */
    uint32_t last_id;               /* [m] of connections */
    uint32_t last_listener;         /* [m] */
    size_t closing;                 /* [m] connections that are closing */
    bool ended;                     /* [m] nothing is begun any more */
    int64_t accept_again;           /* [l] listeners rest until then; 0: they do not */
    bool accept_failed;             /* [l] and it was said */
    uint8_t *input;                 /* [l] FO_READ_SIZE bytes */
};

#define FO_TOKEN_LISTENER ((uint64_t)1 << 32) /* plus its id; a connection's token is its id */

/* Under the mutex. NULL: no such connection. */
struct fo_tcp *fo_tcp_find(struct fo_transport *transport, fo_connection id);
/* Under the mutex: a connection at the head of the list; NULL: no memory or number. */
struct fo_tcp *fo_tcp_new(struct fo_transport *transport, enum fo_connection_state state);
/* Under the mutex. */
void fo_tcp_begin_close(struct fo_transport *transport, struct fo_tcp *tcp);
/* Takes it out of the list and frees it; true if it was closing. Takes the mutex. */
bool fo_tcp_remove(struct fo_transport *transport, struct fo_tcp *tcp);

bool fo_buffer_append(struct fo_buffer *buffer, const uint8_t *data, size_t length);
void fo_buffer_free(struct fo_buffer *buffer);

#endif
