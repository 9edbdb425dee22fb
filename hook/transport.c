/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The part of the transport that any thread may use: connections are begun, filled and closed in
 * memory only; see transport_socket.c for what becomes of them. Listening sockets are the
 * exception: the caller wants to know whether it worked, and binding does not wait. They are used
 * under the mutex only, so that one can be closed at any time.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hook/transport_internal.h"

enum { LISTEN_BACKLOG = 16 }; /* there are few partners, and one connection each */

/* ------------------------------------------------------------------ buffers */

bool fo_buffer_append(struct fo_buffer *buffer, const uint8_t *data, size_t length)
{
    if (buffer->start == buffer->end)
        buffer->start = buffer->end = 0;
    if (buffer->size - buffer->end < length && buffer->start > 0) {
        memmove(buffer->data, buffer->data + buffer->start, buffer->end - buffer->start);
        buffer->end -= buffer->start;
        buffer->start = 0;
    }
    if (buffer->size - buffer->end < length) {
        size_t size = buffer->size > 0 ? buffer->size : 4096;
        while (size - buffer->end < length)
            size *= 2;
        uint8_t *data_now = realloc(buffer->data, size);
        if (data_now == NULL)
            return false;
        buffer->data = data_now;
        buffer->size = size;
    }
    memcpy(buffer->data + buffer->end, data, length);
    buffer->end += length;
    return true;
}

void fo_buffer_free(struct fo_buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct fo_buffer){0};
}

/* ------------------------------------------------------------------ connections */

struct fo_tcp *fo_tcp_find(struct fo_transport *transport, fo_connection id)
{
    struct fo_tcp *tcp = transport->connections;
    while (tcp != NULL && tcp->id != id)
        tcp = tcp->next;
    return tcp;
}

struct fo_tcp *fo_tcp_new(struct fo_transport *transport, enum fo_connection_state state)
{
    struct fo_tcp *tcp = transport->last_id < UINT32_MAX ? calloc(1, sizeof *tcp) : NULL;
    if (tcp == NULL)
        return NULL;
    tcp->id = ++transport->last_id;
    tcp->state = state;
    tcp->descriptor = -1;
    tcp->next = transport->connections;
    transport->connections = tcp;
    return tcp;
}

void fo_tcp_begin_close(struct fo_transport *transport, struct fo_tcp *tcp)
{
    if (tcp->closing)
        return;
    tcp->closing = true;
    tcp->todo = true;
    transport->closing++;
    tcp->close_by =
        transport->closing > FO_LINGER_MAX ? 0 : fo_boot_milliseconds() + FO_LINGER_MILLISECONDS;
}

bool fo_tcp_remove(struct fo_transport *transport, struct fo_tcp *tcp)
{
    pthread_mutex_lock(&transport->mutex);
    struct fo_tcp **at = &transport->connections;
    while (*at != tcp)
        at = &(*at)->next;
    *at = tcp->next;
    const bool closing = tcp->closing;
    if (closing)
        transport->closing--;
    pthread_mutex_unlock(&transport->mutex);
    if (tcp->descriptor >= 0)
        close(tcp->descriptor);
    fo_buffer_free(&tcp->waiting);
    fo_buffer_free(&tcp->writing);
    free(tcp);
    return closing;
}

fo_connection fo_transport_connect(struct fo_transport *transport, uint32_t local, uint32_t remote,
                                   uint16_t port)
{
    fo_connection id = 0;
    pthread_mutex_lock(&transport->mutex);
    struct fo_tcp *tcp = transport->ended ? NULL : fo_tcp_new(transport, FO_TO_CONNECT);
    if (tcp != NULL) {
        tcp->local = local;
        tcp->remote = remote;
        tcp->port = port;
        tcp->todo = true;
        id = tcp->id;
    }
    pthread_mutex_unlock(&transport->mutex);
    return id;
}

bool fo_transport_send(struct fo_transport *transport, fo_connection id, const uint8_t *data,
                       size_t length)
{
    pthread_mutex_lock(&transport->mutex);
    struct fo_tcp *tcp = fo_tcp_find(transport, id);
    bool taken = tcp != NULL && !tcp->closing && length <= FO_SEND_QUEUE_MAX - tcp->queued &&
                 fo_buffer_append(&tcp->waiting, data, length);
    if (taken) {
        tcp->queued += length;
        tcp->todo = true;
    }
    pthread_mutex_unlock(&transport->mutex);
    return taken;
}

size_t fo_transport_queued(struct fo_transport *transport, fo_connection id)
{
    pthread_mutex_lock(&transport->mutex);
    const struct fo_tcp *tcp = fo_tcp_find(transport, id);
    const size_t queued = tcp != NULL ? tcp->queued : 0;
    pthread_mutex_unlock(&transport->mutex);
    return queued;
}

void fo_transport_close(struct fo_transport *transport, fo_connection id)
{
    pthread_mutex_lock(&transport->mutex);
    struct fo_tcp *tcp = fo_tcp_find(transport, id);
    if (tcp != NULL)
        fo_tcp_begin_close(transport, tcp);
    pthread_mutex_unlock(&transport->mutex);
}

/* ------------------------------------------------------------------ listeners */

/* A listening socket, or -1 with errno set. */
static int open_listener(uint32_t address, uint16_t port)
{
    const struct sockaddr_in name = {.sin_family = AF_INET,
                                     .sin_port = htons(port),
                                     .sin_addr.s_addr = htonl(address)};
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return -1;
    /* After a restart, connections of the life before are still in TIME-WAIT on this port. */
    const int on = 1;
    if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(descriptor, (const struct sockaddr *)&name, sizeof name) == 0 &&
        listen(descriptor, LISTEN_BACKLOG) == 0)
        return descriptor;
    int error = errno;
    close(descriptor);
    errno = error;
    return -1;
}

int fo_transport_listen(struct fo_transport *transport, uint32_t address, uint16_t port)
{
    struct fo_listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL)
        return ENOMEM;
    listener->address = address;
    listener->port = port;
    listener->descriptor = open_listener(address, port);
    int error = errno;
    if (listener->descriptor < 0) {
        free(listener);
        return error;
    }
    pthread_mutex_lock(&transport->mutex);
    listener->id = ++transport->last_listener;
    error = transport->ended ? ECANCELED
                             : fo_poller_add(transport->poller, listener->descriptor,
                                             FO_TOKEN_LISTENER + listener->id, EPOLLIN);
    if (error == 0) {
        listener->next = transport->listeners;
        transport->listeners = listener;
    }
    pthread_mutex_unlock(&transport->mutex);
    if (error != 0) {
        close(listener->descriptor);
        free(listener);
    }
    return error;
}

/* Takes the first listener out of the list. */
static void close_listener(struct fo_listener **at)
{
    struct fo_listener *listener = *at;
    *at = listener->next;
    close(listener->descriptor);
    free(listener);
}

void fo_transport_unlisten(struct fo_transport *transport, uint32_t address, uint16_t port)
{
    pthread_mutex_lock(&transport->mutex);
    struct fo_listener **at = &transport->listeners;
    while (*at != NULL && ((*at)->address != address || (*at)->port != port))
        at = &(*at)->next;
    if (*at != NULL)
        close_listener(at);
    pthread_mutex_unlock(&transport->mutex);
}

/* ------------------------------------------------------------------ life */

struct fo_transport *fo_transport_new(struct fo_poller *poller, const struct fo_env *env)
{
    struct fo_transport *transport = calloc(1, sizeof *transport);
    if (transport == NULL)
        return NULL;
    transport->input = malloc(FO_READ_SIZE);
    if (transport->input == NULL) {
        free(transport);
        return NULL;
    }
    transport->poller = poller;
    transport->env = env;
    pthread_mutex_init(&transport->mutex, NULL);
    return transport;
}

void fo_transport_close_all(struct fo_transport *transport)
{
    pthread_mutex_lock(&transport->mutex);
    transport->ended = true;
    while (transport->listeners != NULL)
        close_listener(&transport->listeners);
    for (struct fo_tcp *tcp = transport->connections; tcp != NULL; tcp = tcp->next)
        fo_tcp_begin_close(transport, tcp);
    pthread_mutex_unlock(&transport->mutex);
}

bool fo_transport_is_idle(struct fo_transport *transport)
{
    pthread_mutex_lock(&transport->mutex);
    const bool idle = transport->connections == NULL;
    pthread_mutex_unlock(&transport->mutex);
    return idle;
}

void fo_transport_free(struct fo_transport *transport)
{
    if (transport == NULL)
        return;
    fo_transport_close_all(transport);
    while (transport->connections != NULL)
        fo_tcp_remove(transport, transport->connections);
    pthread_mutex_destroy(&transport->mutex);
    free(transport->input);
    free(transport);
}
