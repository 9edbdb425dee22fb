/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Connections before they belong to a relationship (draft 8.2): listeners, accepted connections
 * that have not sent CONNECT yet, and the way of each event to its endpoint.
 *
 * Who is no peer is closed at once; FO_PENDING_MAX connections may wait for their CONNECT, each
 * for FO_HANDSHAKE_MS and with room for one frame. So a stranger costs nothing, and a flood from a
 * peer's address costs 16 frames of memory.
 */
#include <stdio.h>
#include <string.h>

#include "hook/service_internal.h"

/* ------------------------------------------------------------------ listeners */

static struct fo_listener *find_listener(struct fo_service *service, uint32_t address,
                                         uint16_t port)
{
    for (size_t i = 0; i < service->listener_count; i++)
        if (service->listeners[i].address == address && service->listeners[i].port == port)
            return &service->listeners[i];
    return NULL;
}

static void add_listener(struct fo_service *service, uint32_t address, uint16_t port)
{
    const struct fo_env *env = service->env;
    struct fo_listener *listener = find_listener(service, address, port);
    if (listener == NULL) {
        struct fo_listener *fresh =
            env->reallocate(env->context, service->listeners,
                            (service->listener_count + 1) * sizeof *fresh);
        if (fresh == NULL)
            return;
        service->listeners = fresh;
        listener = &service->listeners[service->listener_count++];
        *listener = (struct fo_listener){.address = address, .port = port};
    }
    listener->wanted = true;
}

void fo_network_configure(struct fo_service *service)
{
    const struct fo_env *env = service->env;
    for (size_t i = 0; i < service->listener_count; i++)
        service->listeners[i].wanted = false;
    for (size_t i = 0; i < service->relationship_count; i++) {
        const struct fo_config_peer *self = &service->relationships[i]->config.self;
        add_listener(service, self->address, self->port);
    }
    for (size_t i = 0; i < service->listener_count;) {
        struct fo_listener *listener = &service->listeners[i];
        if (listener->wanted) {
            i++;
            continue;
        }
        if (listener->listening)
            env->net_unlisten(env->context, listener->address, listener->port);
        *listener = service->listeners[--service->listener_count];
    }
}

static void try_listen(struct fo_service *service, struct fo_listener *listener,
                       const struct fo_now *now)
{
    char address[16], port[8];
    int error =
        service->env->net_listen(service->env->context, listener->address, listener->port);
    listener->listening = error == 0;
    listener->retry_at = now->ms + 5000;
    if (error != 0)
        fo_say(service, FAILOVER_LISTEN_FAILED, fo_address_text(listener->address, address),
               fo_print(port, sizeof port, "%u", listener->port), strerror(error), "5", NULL);
}

/* ------------------------------------------------------------------ accepted, not yet known */

static bool is_peer(struct fo_service *service, uint32_t local, uint16_t port, uint32_t remote,
                    struct fo_relationship **primary)
{
    bool found = false;
    for (size_t i = 0; i < service->relationship_count; i++) {
        struct fo_relationship *relationship = service->relationships[i];
        if (relationship->config.partner.address != remote ||
            relationship->config.self.address != local || relationship->config.self.port != port)
            continue;
        found = true;
        if (relationship->config.primary)
            *primary = relationship;
    }
    return found;
}

static bool has_secondary_role(struct fo_service *service, uint32_t local, uint32_t remote)
{
    for (size_t i = 0; i < service->relationship_count; i++) {
        const struct fo_config_relationship *config = &service->relationships[i]->config;
        if (config->partner.address == remote && config->self.address == local && !config->primary)
            return true;
    }
    return false;
}

/* Once a minute. */
static bool may_log(int64_t *last, const struct fo_now *now)
{
    if (*last != 0 && now->ms - *last < FO_LOG_LIMIT_MS)
        return false;
    *last = now->ms;
    return true;
}

static void accepted(struct fo_service *service, fo_connection connection, uint32_t local,
                     uint16_t port, uint32_t remote, const struct fo_now *now)
{
    const struct fo_env *env = service->env;
    struct fo_relationship *primary = NULL;
    char text[16], count[8];
    fo_address_text(remote, text);
    bool closed = service->stopping || fo_service_removed(service);
    if (closed || !is_peer(service, local, port, remote, &primary)) {
        if (!closed && may_log(&service->stranger_logged, now))
            fo_say(service, FAILOVER_STRANGER, text, NULL);
        env->net_close(env->context, connection);
        return;
    }
    if (primary != NULL)
        fo_endpoint_stimulated(&primary->endpoint, now);
    for (size_t i = 0; i < FO_PENDING_MAX && has_secondary_role(service, local, remote); i++) {
        struct fo_pending_connection *pending = &service->pending[i];
        if (pending->connection != 0)
            continue;
        pending->connection = connection;
        pending->local = local;
        pending->port = port;
        pending->remote = remote;
        pending->fill = 0;
        pending->deadline = now->ms + FO_HANDSHAKE_MS;
        return;
    }
    if (has_secondary_role(service, local, remote) && may_log(&service->crowd_logged, now))
        fo_say(service, FAILOVER_TOO_MANY_CONNECTIONS, text,
               fo_print(count, sizeof count, "%d", FO_PENDING_MAX), NULL);
    env->net_close(env->context, connection); /* of a primary: a stimulus, it connects itself */
}

static void drop_pending(struct fo_service *service, struct fo_pending_connection *pending,
                         const char *why)
{
    char address[16];
    if (why != NULL)
        fo_say(service, FAILOVER_CONNECT_REFUSED, "failover",
               fo_address_text(pending->remote, address), why, NULL);
    service->env->net_close(service->env->context, pending->connection);
    pending->connection = 0;
}

static struct fo_relationship *relationship_for(struct fo_service *service,
                                                const struct fo_pending_connection *pending,
                                                const struct fo_message *connect)
{
    const struct fo_bytes *name = &connect->relationship_name;
    for (size_t i = 0; i < service->relationship_count; i++) {
        struct fo_relationship *relationship = service->relationships[i];
        const struct fo_config_relationship *config = &relationship->config;
        if (config->partner.address == pending->remote && config->self.address == pending->local &&
            strlen(config->name) == name->length &&
            memcmp(config->name, name->data, name->length) == 0)
            return relationship;
    }
    return NULL;
}

/* The first frame of a connection is whole. True where the connection now is a session. */
static bool take_first_frame(struct fo_service *service, struct fo_pending_connection *pending,
                             const struct fo_now *now)
{
    static struct fo_message message; /* 30 kB; under the service's lock */
    struct fo_decode_error error;
    uint8_t frame[FO_MESSAGE_MAX];
    char text[320];
    if (!fo_decode(&fo_dialect_draft, pending->frame, pending->fill, &message, &error)) {
        drop_pending(service, pending, error.text);
        return false;
    }
    if (message.type != FO_MSG_CONNECT || !(message.present & FO_HAS(FO_OPT_RELATIONSHIP_NAME))) {
        drop_pending(service, pending,
                     fo_print(text, sizeof text, "the first message is %s%s",
                              fo_message_name(message.type),
                              message.type == FO_MSG_CONNECT ? " without relationship-name"
                                                             : ", not CONNECT"));
        return false;
    }
    struct fo_relationship *relationship = relationship_for(service, pending, &message);
    if (relationship == NULL) {
        fo_print(text, sizeof text, "no relationship \"%.*s\" with this peer is configured here",
                 message.relationship_name.length > 100 ? 100 : message.relationship_name.length,
                 (const char *)message.relationship_name.data);
        size_t length = fo_session_refuse(&fo_dialect_draft, &message, FO_REJECT_INVALID_PARTNER,
                                          text, now->seconds, frame);
        service->env->net_send(service->env->context, pending->connection, frame, length);
        drop_pending(service, pending, text);
        return false;
    }
    if (relationship->connection != 0)
        fo_endpoint_lost(&relationship->endpoint, "the partner made a new connection", now);
    relationship->connection = pending->connection;
    pending->connection = 0;
    if (!fo_endpoint_accept(&relationship->endpoint, &message, now) &&
        relationship->connection != 0) {
        service->env->net_close(service->env->context, relationship->connection);
        relationship->connection = 0;
    }
    return relationship->connection != 0;
}

/* ------------------------------------------------------------------ events */

static struct fo_relationship *of_connection(struct fo_service *service, fo_connection connection)
{
    for (size_t i = 0; i < service->relationship_count; i++)
        if (service->relationships[i]->connection == connection)
            return service->relationships[i];
    return NULL;
}

static struct fo_relationship *of_attempt(struct fo_service *service, fo_connection connection)
{
    for (size_t i = 0; i < service->relationship_count; i++)
        if (service->relationships[i]->attempt == connection)
            return service->relationships[i];
    return NULL;
}

static struct fo_pending_connection *of_pending(struct fo_service *service,
                                                fo_connection connection)
{
    for (size_t i = 0; i < FO_PENDING_MAX; i++)
        if (service->pending[i].connection == connection)
            return &service->pending[i];
    return NULL;
}

void fo_net_accepted(struct fo_service *service, fo_connection connection, uint32_t local,
                     uint16_t port, uint32_t remote)
{
    service->env->lock(service->env->context);
    struct fo_now now = fo_service_now(service);
    accepted(service, connection, local, port, remote, &now);
    service->env->unlock(service->env->context);
}

void fo_net_connected(struct fo_service *service, fo_connection connection)
{
    service->env->lock(service->env->context);
    struct fo_now now = fo_service_now(service);
    struct fo_relationship *relationship = of_attempt(service, connection);
    if (relationship != NULL) {
        if (relationship->config.primary && relationship->connection == 0) {
            relationship->connection = connection;
            relationship->attempt = 0;
        }
        fo_endpoint_connected(&relationship->endpoint, &now);
    }
    service->env->unlock(service->env->context);
}

void fo_net_received(struct fo_service *service, fo_connection connection, const uint8_t *data,
                     size_t length)
{
    service->env->lock(service->env->context);
    struct fo_now now = fo_service_now(service);
    struct fo_pending_connection *pending = of_pending(service, connection);
    while (pending != NULL && length > 0) {
        int whole = fo_frame_length(pending->frame, pending->fill);
        size_t want = whole > 0 ? (size_t)whole - pending->fill : 2 - pending->fill;
        size_t take = want < length ? want : length;
        memcpy(pending->frame + pending->fill, data, take);
        pending->fill += take;
        data += take;
        length -= take;
        whole = fo_frame_length(pending->frame, pending->fill);
        if (whole < 0) {
            drop_pending(service, pending, "its first bytes are no failover message");
            length = 0;
        } else if (whole > 0 && pending->fill == (size_t)whole) {
            take_first_frame(service, pending, &now);
            pending = NULL;
        }
    }
    struct fo_relationship *relationship = of_connection(service, connection);
    if (relationship != NULL && length > 0)
        fo_endpoint_received(&relationship->endpoint, data, length, &now);
    service->env->unlock(service->env->context);
}

void fo_net_closed(struct fo_service *service, fo_connection connection, const char *reason)
{
    service->env->lock(service->env->context);
    struct fo_now now = fo_service_now(service);
    struct fo_pending_connection *pending = of_pending(service, connection);
    struct fo_relationship *relationship = of_connection(service, connection);
    if (pending != NULL) {
        pending->connection = 0;
    } else if (relationship != NULL) {
        relationship->connection = 0;
        fo_endpoint_lost(&relationship->endpoint, reason, &now);
    } else if ((relationship = of_attempt(service, connection)) != NULL) {
        relationship->attempt = 0;
        fo_endpoint_attempt_failed(&relationship->endpoint, reason, &now);
    }
    service->env->unlock(service->env->context);
}

void fo_network_timer(struct fo_service *service, const struct fo_now *now)
{
    for (size_t i = 0; i < service->listener_count; i++)
        if (!service->listeners[i].listening && now->ms >= service->listeners[i].retry_at)
            try_listen(service, &service->listeners[i], now);
    for (size_t i = 0; i < FO_PENDING_MAX; i++)
        if (service->pending[i].connection != 0 && now->ms >= service->pending[i].deadline)
            drop_pending(service, &service->pending[i], "it sent no CONNECT within 15 s");
}

int64_t fo_network_deadline(const struct fo_service *service)
{
    int64_t deadline = INT64_MAX;
    for (size_t i = 0; i < service->listener_count; i++)
        if (!service->listeners[i].listening && service->listeners[i].retry_at < deadline)
            deadline = service->listeners[i].retry_at;
    for (size_t i = 0; i < FO_PENDING_MAX; i++)
        if (service->pending[i].connection != 0 && service->pending[i].deadline < deadline)
            deadline = service->pending[i].deadline;
    return deadline;
}
