/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The loop's thread at the sockets: connecting, accepting, reading, writing, closing.
 *
 * Closing is done so that the last message (DISCONNECT, STATE of an orderly stop) arrives: what
 * waits is written, our side is shut down, and what the partner still sends is read and forgotten
 * until it has closed too; a socket closed with unread bytes would send a reset, which can destroy
 * the message on the partner's side. All that for two seconds at most.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hook/service.h"
#include "hook/transport_internal.h"

enum { ACCEPT_ROUND_MAX = 16 }; /* then others have their turn */

/* Ends a connection; the service hears of it unless it closed it itself. */
static void end_connection(struct fo_transport *transport, struct fo_tcp *tcp, const char *reason,
                           struct fo_service *service)
{
    const fo_connection id = tcp->id;
    if (!fo_tcp_remove(transport, tcp))
        fo_net_closed(service, id, reason);
}

static const char *reason_of(int error)
{
    return error == ECONNRESET || error == EPIPE ? "connection reset" : strerror(error);
}

static bool is_closing(struct fo_transport *transport, const struct fo_tcp *tcp)
{
    pthread_mutex_lock(&transport->mutex);
    const bool closing = tcp->closing;
    pthread_mutex_unlock(&transport->mutex);
    return closing;
}

/* ------------------------------------------------------------------ connect */

/* CONTACT and BNDACK must not wait for a full segment, nor behind what the kernel would take though it cannot send
   it yet. A failure only costs. */
static void set_options(int descriptor)
{
    const int on = 1, unsent = FO_UNSENT_MAX;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(descriptor, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
}

/* Returns 0 (under way, or there already: the poller says when) or an errno. */
static int begin_connect(struct fo_transport *transport, struct fo_tcp *tcp, const char **failed)
{
    const int on = 1;
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(tcp->local)};
    *failed = "";
    tcp->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (tcp->descriptor < 0)
        return errno;
    set_options(tcp->descriptor);
    setsockopt(tcp->descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    /* The partner knows us by our address (peers). */
    if (tcp->local != 0 &&
        bind(tcp->descriptor, (const struct sockaddr *)&name, sizeof name) != 0) {
        *failed = "own address: ";
        return errno;
    }
    name.sin_addr.s_addr = htonl(tcp->remote);
    name.sin_port = htons(tcp->port);
    if (connect(tcp->descriptor, (const struct sockaddr *)&name, sizeof name) != 0 &&
        errno != EINPROGRESS && errno != EINTR)
        return errno;
    tcp->state = FO_CONNECTING;
    return fo_poller_add(transport->poller, tcp->descriptor, tcp->id, EPOLLOUT);
}

static void finish_connect(struct fo_transport *transport, struct fo_tcp *tcp,
                           struct fo_service *service)
{
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(tcp->descriptor, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
        error = errno;
    if (error == 0)
        error = fo_poller_change(transport->poller, tcp->descriptor, tcp->id, EPOLLIN);
    if (error != 0) {
        end_connection(transport, tcp, strerror(error), service);
        return;
    }
    tcp->state = FO_OPEN;
    pthread_mutex_lock(&transport->mutex);
    const bool closing = tcp->closing;
    tcp->todo = true; /* something may have been sent already */
    pthread_mutex_unlock(&transport->mutex);
    if (!closing)
        fo_net_connected(service, tcp->id);
}

/* ------------------------------------------------------------------ accept */

/* Accepts under the mutex, for the listener may be closed by others. Returns a descriptor, or -1
   with errno set (EAGAIN: nobody there, or no such listener). */
static int accept_one(struct fo_transport *transport, uint32_t id, struct sockaddr_in *remote,
                      uint32_t *address, uint16_t *port)
{
    socklen_t length = sizeof *remote;
    int descriptor = -1;
    pthread_mutex_lock(&transport->mutex);
    const struct fo_listener *listener = transport->listeners;
    while (listener != NULL && listener->id != id)
        listener = listener->next;
    errno = EAGAIN;
    if (listener != NULL) {
        descriptor = accept4(listener->descriptor, (struct sockaddr *)remote, &length,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
        *address = listener->address;
        *port = listener->port;
    }
    const int error = errno;
    pthread_mutex_unlock(&transport->mutex);
    errno = error;
    return descriptor;
}

/* What the listeners are waited for; no events while they rest. */
static void watch_listeners(struct fo_transport *transport, uint32_t events)
{
    pthread_mutex_lock(&transport->mutex);
    for (const struct fo_listener *l = transport->listeners; l != NULL; l = l->next)
        fo_poller_change(transport->poller, l->descriptor, FO_TOKEN_LISTENER + l->id, events);
    pthread_mutex_unlock(&transport->mutex);
}

static void pause_accepting(struct fo_transport *transport, uint32_t address, uint16_t port,
                            int error)
{
    transport->accept_again = fo_boot_milliseconds() + FO_ACCEPT_PAUSE_MILLISECONDS;
    watch_listeners(transport, 0);
    if (transport->accept_failed)
        return;
    transport->accept_failed = true;
    char host[INET_ADDRSTRLEN], number[8], pause[8];
    const struct in_addr network = {htonl(address)};
    inet_ntop(AF_INET, &network, host, sizeof host);
    snprintf(number, sizeof number, "%u", port);
    snprintf(pause, sizeof pause, "%d", FO_ACCEPT_PAUSE_MILLISECONDS / 1000);
    const char *const arguments[] = {host, number, strerror(error), pause, NULL};
    transport->env->log(transport->env->context, FAILOVER_LISTEN_FAILED, arguments);
}

/* Makes a connection of an accepted descriptor; false: no memory, the descriptor stays. */
static bool adopt(struct fo_transport *transport, int descriptor, const struct sockaddr_in *remote,
                  uint16_t port, struct fo_service *service)
{
    struct sockaddr_in local = {0};
    socklen_t length = sizeof local;
    set_options(descriptor);
    getsockname(descriptor, (struct sockaddr *)&local, &length);
    pthread_mutex_lock(&transport->mutex);
    struct fo_tcp *tcp = fo_tcp_new(transport, FO_OPEN);
    if (tcp != NULL) {
        tcp->local = ntohl(local.sin_addr.s_addr);
        tcp->remote = ntohl(remote->sin_addr.s_addr);
        tcp->port = port;
        tcp->descriptor = descriptor;
    }
    pthread_mutex_unlock(&transport->mutex);
    if (tcp == NULL)
        return false;
    if (fo_poller_add(transport->poller, descriptor, tcp->id, EPOLLIN) != 0) {
        tcp->descriptor = -1;
        fo_tcp_remove(transport, tcp);
        return false;
    }
    fo_net_accepted(service, tcp->id, tcp->local, port, tcp->remote);
    return true;
}

static void accept_all(struct fo_transport *transport, uint32_t id, struct fo_service *service)
{
    for (int i = 0; i < ACCEPT_ROUND_MAX; i++) {
        struct sockaddr_in remote;
        uint32_t address = 0;
        uint16_t port = 0;
        int descriptor = accept_one(transport, id, &remote, &address, &port);
        if (descriptor >= 0 && adopt(transport, descriptor, &remote, port, service)) {
            transport->accept_failed = false;
            continue;
        }
        int error = errno;
        if (descriptor >= 0) {
            close(descriptor);
            error = ENOMEM;
        }
        if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM)
            pause_accepting(transport, address, port, error);
        if (error != ECONNABORTED && error != EINTR) /* those two: only this one is gone */
            return;
    }
}

/* ------------------------------------------------------------------ read */

static void read_some(struct fo_transport *transport, struct fo_tcp *tcp,
                      struct fo_service *service)
{
    ssize_t length = recv(tcp->descriptor, transport->input, FO_READ_SIZE, 0);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    for (ssize_t at = 0; at < length && !is_closing(transport, tcp); at += FO_TAKE_SIZE) {
        const ssize_t left = length - at, size = left < FO_TAKE_SIZE ? left : FO_TAKE_SIZE;
        fo_net_received(service, tcp->id, transport->input + at, (size_t)size);
    }
    if (length > 0)
        return;
    const int error = length < 0 ? errno : tcp->write_error;
    end_connection(transport, tcp, error == 0 ? "closed by partner" : reason_of(error), service);
}

/* ------------------------------------------------------------------ write, close */

/* Moves what waits to be written, where all before it is out. False: there is nothing. */
static bool next_to_write(struct fo_transport *transport, struct fo_tcp *tcp)
{
    if (tcp->writing.start < tcp->writing.end)
        return true;
    if (tcp->writing.size > FO_READ_SIZE) /* a burst is over: its memory is not kept */
        fo_buffer_free(&tcp->writing);
    tcp->writing.start = tcp->writing.end = 0;
    pthread_mutex_lock(&transport->mutex);
    const struct fo_buffer empty = tcp->writing;
    tcp->writing = tcp->waiting;
    tcp->waiting = empty;
    pthread_mutex_unlock(&transport->mutex);
    return tcp->writing.start < tcp->writing.end;
}

/* Forgets `length` bytes of `writing`. */
static void written(struct fo_transport *transport, struct fo_tcp *tcp, size_t length)
{
    tcp->writing.start += length;
    pthread_mutex_lock(&transport->mutex);
    tcp->queued -= length;
    pthread_mutex_unlock(&transport->mutex);
}

/* Writes until all is out or the socket is full. */
static void write_some(struct fo_transport *transport, struct fo_tcp *tcp)
{
    const bool was_blocked = tcp->blocked;
    tcp->blocked = false;
    while (!tcp->blocked && next_to_write(transport, tcp)) {
        const size_t length = tcp->writing.end - tcp->writing.start;
        ssize_t result = (ssize_t)length;
        if (tcp->write_error == 0)
            result = send(tcp->descriptor, tcp->writing.data + tcp->writing.start, length,
                          MSG_NOSIGNAL);
        if (result >= 0) {
            tcp->wrote = true;
            written(transport, tcp, (size_t)result);
        } else if (errno == EAGAIN) {
            tcp->blocked = true;
        } else if (errno != EINTR) {
            /* The partner's last words may still be there to be read; reading ends with them. */
            tcp->write_error = errno;
            shutdown(tcp->descriptor, SHUT_RDWR);
        }
    }
    if (tcp->blocked != was_blocked)
        fo_poller_change(transport->poller, tcp->descriptor, tcp->id,
                         tcp->blocked ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* A connection that the service closed: takes it out where there is nothing to wait for any more.
   What was never written to needs no care. */
static void go_on_closing(struct fo_transport *transport, struct fo_tcp *tcp, int64_t close_by)
{
    if (tcp->state != FO_OPEN || (!tcp->wrote && !tcp->blocked) || tcp->write_error != 0 ||
        close_by <= fo_boot_milliseconds()) {
        fo_tcp_remove(transport, tcp);
    } else if (!tcp->blocked && !tcp->shut) {
        tcp->shut = true;
        shutdown(tcp->descriptor, SHUT_WR);
    }
}

/* One connection that has something to do. True: the service was told something. */
static bool work_on(struct fo_transport *transport, struct fo_tcp *tcp, bool closing,
                    int64_t close_by, struct fo_service *service)
{
    if (tcp->state == FO_TO_CONNECT && !closing) {
        const char *failed;
        const int error = begin_connect(transport, tcp, &failed);
        if (error == 0)
            return false;
        char reason[128];
        snprintf(reason, sizeof reason, "%s%s", failed, strerror(error));
        end_connection(transport, tcp, reason, service);
        return true;
    }
    if (tcp->state == FO_OPEN)
        write_some(transport, tcp);
    if (closing)
        go_on_closing(transport, tcp, close_by);
    return false;
}

/* ------------------------------------------------------------------ what the loop calls */

void fo_transport_event(struct fo_transport *transport, uint64_t token, uint32_t events,
                        struct fo_service *service)
{
    if (token >= FO_TOKEN_LISTENER) {
        accept_all(transport, (uint32_t)(token - FO_TOKEN_LISTENER), service);
        return;
    }
    pthread_mutex_lock(&transport->mutex);
    struct fo_tcp *tcp = fo_tcp_find(transport, (fo_connection)token);
    if (tcp != NULL && tcp->state == FO_OPEN && (events & EPOLLOUT) != 0)
        tcp->todo = true;
    pthread_mutex_unlock(&transport->mutex);
    if (tcp == NULL)
        return; /* ended by an earlier event of the same round */
    if (tcp->state == FO_CONNECTING)
        finish_connect(transport, tcp, service);
    else if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
        read_some(transport, tcp, service);
}

bool fo_transport_work(struct fo_transport *transport, struct fo_service *service)
{
    const int64_t now = fo_boot_milliseconds();
    bool told = false;
    if (transport->accept_again != 0 && transport->accept_again <= now) {
        transport->accept_again = 0;
        watch_listeners(transport, EPOLLIN);
    }
    pthread_mutex_lock(&transport->mutex);
    struct fo_tcp *next;
    for (struct fo_tcp *tcp = transport->connections; tcp != NULL; tcp = next) {
        next = tcp->next; /* others only put new ones before the first */
        if (!tcp->todo && !(tcp->closing && tcp->close_by <= now))
            continue;
        tcp->todo = false;
        const bool closing = tcp->closing;
        const int64_t close_by = tcp->close_by;
        pthread_mutex_unlock(&transport->mutex);
        told = work_on(transport, tcp, closing, close_by, service) || told;
        pthread_mutex_lock(&transport->mutex);
    }
    pthread_mutex_unlock(&transport->mutex);
    return told;
}

int64_t fo_transport_deadline(struct fo_transport *transport)
{
    int64_t deadline = transport->accept_again != 0 ? transport->accept_again : INT64_MAX;
    pthread_mutex_lock(&transport->mutex);
    for (const struct fo_tcp *tcp = transport->connections; tcp != NULL; tcp = tcp->next)
        if (tcp->closing && tcp->close_by < deadline)
            deadline = tcp->close_by;
    pthread_mutex_unlock(&transport->mutex);
    return deadline;
}
