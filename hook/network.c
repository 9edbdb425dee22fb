/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Connections before they belong to a relationship (draft 8.2): listeners, accepted connections
 * that have not sent CONNECT yet, and the way of each event to its endpoint.
 *
 * Who is no peer is closed at once; FO_PENDING_MAX connections may wait for their CONNECT, each
 * for FO_HANDSHAKE_MS and with room for one frame. So a stranger costs nothing, and a flood from a
 * peer's address costs 16 frames of memory.
 *
 * A primary has its secondary's connections there, too, though it makes its own (the stimulus, 8.2):
 * a CONNECT that comes in one means that both servers are configured as primary, and a secondary that
 * gets none, that both are secondary. Both are mistakes that an operator must be told.
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

bool fo_network_reserve(struct fo_service *service, size_t more)
{
    struct fo_listener *fresh =
        service->env->reallocate(service->env->context, service->listeners,
                                 (service->listener_count + more + 1) * sizeof *fresh);
    if (fresh == NULL)
        return false;
    service->listeners = fresh;
    return true;
}

static void add_listener(struct fo_service *service, uint32_t address, uint16_t port)
{
    struct fo_listener *listener = find_listener(service, address, port);
    if (listener == NULL) {
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
    bool again = listener->error == error && listener->failure_logged != 0 &&
                 now->ms - listener->failure_logged < FO_LOG_LIMIT_MS;
    listener->listening = error == 0;
    listener->error = error;
    listener->retry_at = now->ms + 5000;
    if (error == 0 || again)
        return;
    listener->failure_logged = now->ms;
    fo_say(service, FAILOVER_LISTEN_FAILED, fo_address_text(listener->address, address),
           fo_print(port, sizeof port, "%u", listener->port), strerror(error), "5", NULL);
}

void fo_listen_error(struct fo_service *service, const struct fo_relationship *relationship,
                     char *text, size_t size)
{
    const struct fo_config_peer *self = &relationship->config.self;
    const struct fo_listener *listener = find_listener(service, self->address, self->port);
    char address[16];
    text[0] = '\0';
    if (listener != NULL && !listener->listening && listener->error != 0)
        fo_print(text, size, "cannot listen on %s port %u: %s",
                 fo_address_text(self->address, address), self->port, strerror(listener->error));
}

/* ------------------------------------------------------------------ accepted, not yet known */

static bool is_peer(const struct fo_service *service, uint32_t local, uint16_t port,
                    uint32_t remote)
{
    for (size_t i = 0; i < service->relationship_count; i++) {
        const struct fo_config_relationship *config = &service->relationships[i]->config;
        if (config->partner.address == remote && config->self.address == local &&
            config->self.port == port)
            return true;
    }
    return false;
}

/* One stimulus is for all relationships in which its sender is secondary (8.2). */
static void stimulate(struct fo_service *service, uint32_t local, uint32_t remote,
                      const struct fo_now *now)
{
    for (size_t i = 0; i < service->relationship_count; i++) {
        struct fo_relationship *relationship = service->relationships[i];
        const struct fo_config_relationship *config = &relationship->config;
        if (config->primary && config->partner.address == remote &&
            config->self.address == local && now->ms >= relationship->rival_until)
            fo_endpoint_stimulated(&relationship->endpoint, now);
    }
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
    char text[16], count[8];
    if (FO_FAULTY(STRANGER_BELIEVED) && service->relationship_count > 0)
        remote = service->relationships[0]->config.partner.address;
    fo_address_text(remote, text);
    bool closed = service->stopping || service->paused != NULL || fo_service_removed(service);
    if (closed || !is_peer(service, local, port, remote)) {
        if (!closed && may_log(&service->stranger_logged, now))
            fo_say(service, FAILOVER_STRANGER, text, NULL);
        env->net_close(env->context, connection);
        return;
    }
    stimulate(service, local, remote, now);
    for (size_t i = 0; i < FO_PENDING_MAX; i++) {
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
    if (may_log(&service->crowd_logged, now))
        fo_say(service, FAILOVER_TOO_MANY_CONNECTIONS, text,
               fo_print(count, sizeof count, "%d", FO_PENDING_MAX), NULL);
    env->net_close(env->context, connection);
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

/* By CONNECTACK, for a reason that concerns who its sender is. `relationship`: NULL where there is none
   of that name. */
static void refuse_connect(struct fo_service *service, struct fo_relationship *relationship,
                           struct fo_pending_connection *pending, const struct fo_message *connect,
                           enum fo_reject_reason reason, const char *why, const struct fo_now *now)
{
    uint8_t frame[FO_MESSAGE_MAX];
    const struct fo_digest *digest =
        relationship != NULL ? relationship->endpoint.settings.session.digest : NULL;
    size_t length =
        fo_session_refuse(&fo_dialect_draft, digest, connect, reason, why, now->seconds, frame);
    if (length > 0) /* it may be that it could not be signed */
        service->env->net_send(service->env->context, pending->connection, frame, length);
    drop_pending(service, pending, NULL);
}

/* Two primaries would call each other for ever: what the other one does is no stimulus for a while. */
static void refuse_rival(struct fo_relationship *relationship,
                         struct fo_pending_connection *pending, const struct fo_message *connect,
                         const struct fo_now *now)
{
    static const char why[] = "both servers have the role primary, one must be the secondary";
    const struct fo_config_relationship *config = &relationship->config;
    relationship->rival_until = now->ms + FO_REJECT_BACK_OFF_MS;
    if (may_log(&relationship->rival_logged, now))
        fo_say(relationship->service, FAILOVER_CONNECT_REFUSED, config->name, config->partner.name,
               why, NULL);
    fo_endpoint_failed_by(&relationship->endpoint, why, now);
    refuse_connect(relationship->service, relationship, pending, connect, FO_REJECT_INVALID_PARTNER, why,
                   now);
}

/* 11.1. Whoever has sent this, the connection that there is stays as it is. */
static bool admitted(struct fo_relationship *relationship, struct fo_pending_connection *pending,
                     const struct fo_message *connect, const struct fo_now *now)
{
    char why[320];
    const struct fo_config_relationship *config = &relationship->config;
    enum fo_reject_reason reason = fo_endpoint_admit(&relationship->endpoint, connect, pending->frame,
                                                     pending->fill, why, sizeof why);
    if (reason == FO_REJECT_NONE) {
        fo_relationship_new_nonce(relationship);
        return true;
    }
    if (may_log(&relationship->stranger_logged, now))
        fo_say(relationship->service,
               fo_digest_is_about(reason) ? FAILOVER_NOT_AUTHENTIC : FAILOVER_CONNECT_REPEATED,
               config->name, config->partner.name, why, NULL);
    if (config->primary)
        relationship->rival_until = now->ms + FO_REJECT_BACK_OFF_MS;
    fo_endpoint_not_admitted(&relationship->endpoint, reason, why, now);
    refuse_connect(relationship->service, relationship, pending, connect, reason, why, now);
    return false;
}

/* "" or, for the reader of "no relationship ...", what there is with this peer instead. */
static const char *hint_of_name(struct fo_service *service, const struct fo_pending_connection *pending,
                                char text[128])
{
    text[0] = '\0';
    for (size_t i = 0; i < service->relationship_count; i++) {
        const struct fo_config_relationship *config = &service->relationships[i]->config;
        if (config->partner.address == pending->remote && config->self.address == pending->local)
            fo_print(text, 128, ", but \"%.60s\", of which this server is the %s", config->name,
                     config->primary ? "primary" : "secondary");
    }
    return text;
}

/* A CONNECT with a name unknown here: the status, too, says why there is no connection. Where this
   server should be the one who calls, the two would call each other without end. */
static void note_failure(struct fo_service *service, uint32_t local, uint32_t remote,
                         const char *why, const struct fo_now *now)
{
    for (size_t i = 0; i < service->relationship_count; i++) {
        struct fo_relationship *relationship = service->relationships[i];
        if (relationship->config.partner.address == remote &&
            relationship->config.self.address == local && relationship->connection == 0) {
            relationship->rival_until = now->ms + FO_REJECT_BACK_OFF_MS;
            fo_endpoint_failed_by(&relationship->endpoint, why, now);
        }
    }
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
    char text[320], hint[128], address[16];
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
    if (relationship != NULL && relationship->endpoint.shut) { /* as if nobody were here any more */
        drop_pending(service, pending, NULL);
        return false;
    }
    if (relationship == NULL) {
        fo_print(text, sizeof text, "there is no relationship \"%.*s\" here%s",
                 message.relationship_name.length > 60 ? 60 : message.relationship_name.length,
                 (const char *)message.relationship_name.data, hint_of_name(service, pending, hint));
        note_failure(service, pending->local, pending->remote, text, now);
        fo_say(service, FAILOVER_CONNECT_REFUSED, "failover",
               fo_address_text(pending->remote, address), text, NULL);
        refuse_connect(service, NULL, pending, &message, FO_REJECT_INVALID_PARTNER, text, now);
        return false;
    }
    if (!admitted(relationship, pending, &message, now))
        return false;
    if (relationship->config.primary) {
        refuse_rival(relationship, pending, &message, now);
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

/* A stimulus, from somebody who should send CONNECT. */
static void ended_in_silence(struct fo_service *service,
                             const struct fo_pending_connection *pending, const struct fo_now *now)
{
    for (size_t i = 0; i < service->relationship_count; i++) {
        struct fo_relationship *relationship = service->relationships[i];
        const struct fo_config_relationship *config = &relationship->config;
        if (config->primary || relationship->connection != 0 ||
            config->partner.address != pending->remote || config->self.address != pending->local)
            continue;
        fo_endpoint_failed_by(&relationship->endpoint,
                              "the partner connects, but sends no CONNECT: is it secondary, too?",
                              now);
        if (may_log(&relationship->silence_logged, now))
            fo_say(service, FAILOVER_NO_CONNECT, config->name, config->partner.name, NULL);
    }
}

void fo_net_closed(struct fo_service *service, fo_connection connection, const char *reason)
{
    service->env->lock(service->env->context);
    struct fo_now now = fo_service_now(service);
    struct fo_pending_connection *pending = of_pending(service, connection);
    struct fo_relationship *relationship = of_connection(service, connection);
    if (pending != NULL) {
        if (pending->fill == 0)
            ended_in_silence(service, pending, &now);
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

/* A stimulus may be held open (8.2): a primary closes it without a word. */
static void give_up_pending(struct fo_service *service, struct fo_pending_connection *pending)
{
    drop_pending(service, pending,
                 has_secondary_role(service, pending->local, pending->remote)
                     ? "it sent no CONNECT within 15 s"
                     : NULL);
}

void fo_network_timer(struct fo_service *service, const struct fo_now *now)
{
    for (size_t i = 0; i < service->listener_count; i++)
        if (!service->listeners[i].listening && now->ms >= service->listeners[i].retry_at)
            try_listen(service, &service->listeners[i], now);
    for (size_t i = 0; i < FO_PENDING_MAX; i++)
        if (service->pending[i].connection != 0 && now->ms >= service->pending[i].deadline)
            give_up_pending(service, &service->pending[i]);
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
