/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Answers to operators, in JSON: the command failover-status-get, and two lists in the answer of
 * status-get. Everything comes from memory.
 *
 * "high-availability" in status-get has exactly the shape and the words of Kea's own library, so
 * that tools that know that one understand this one. Its words cannot say all; the draft's states
 * stand beside it in "failover". Our reading of the states:
 *
 *     NORMAL                                        load-balancing or hot-standby
 *     COMMUNICATIONS-INTERRUPTED, RESOLUTION-INTERRUPTED   communication-recovery
 *     PARTNER-DOWN                                  partner-down
 *     STARTUP, RECOVER-WAIT                         waiting
 *     RECOVER, POTENTIAL-CONFLICT                   syncing
 *     RECOVER-DONE, CONFLICT-DONE                   ready
 *     PAUSED, SHUTDOWN                              in-maintenance
 */
#include "shim/shim.h"

#include <cc/command_interpreter.h>

#include <cctype>
#include <ctime>

namespace failover {

using isc::config::createAnswer;
using isc::data::ConstElementPtr;
using isc::data::Element;
using isc::data::ElementPtr;
using isc::hooks::CalloutHandle;

namespace {

/* In C++ the functions of these names hide the structs. */
using Status = struct fo_relationship_status;
using PoolStatus = struct fo_pool_status;

/* ------------------------------------------------------------------ small elements */

ElementPtr text(const char *value)
{
    return value != nullptr ? Element::create(std::string(value)) : Element::create();
}

ElementPtr text_or_null(const char *value)
{
    return value != nullptr && *value != '\0' ? text(value) : Element::create();
}

template <typename Integer> ElementPtr integer(Integer value)
{
    return Element::create(static_cast<int64_t>(value));
}

/* Seconds since 1970, or a number of them; 0 stands for none. */
ElementPtr moment(uint32_t seconds)
{
    return seconds != 0 ? integer(seconds) : Element::create();
}

/* "COMMUNICATIONS-INTERRUPTED" as "communications-interrupted". */
std::string lower(const char *name)
{
    std::string result = name != nullptr ? name : "unknown";
    for (char &letter : result) {
        letter = letter == ' ' || letter == '_'
                     ? '-'
                     : static_cast<char>(tolower(static_cast<unsigned char>(letter)));
    }
    return result;
}

/* ------------------------------------------------------------------ failover-status-get */

ElementPtr subnet_map(const PoolStatus &pool)
{
    const ElementPtr map = Element::createMap();
    map->set("subnet-id", integer(pool.subnet_id));
    map->set("total", integer(pool.total));
    map->set("free", integer(pool.free));
    map->set("backup", integer(pool.backup));
    map->set("active", integer(pool.active));
    map->set("expired", integer(pool.expired));
    map->set("released", integer(pool.released));
    map->set("abandoned", integer(pool.abandoned));
    map->set("reset", integer(pool.reset));
    map->set("reserved", integer(pool.reserved));
    map->set("available", integer(pool.available));
    map->set("offered", integer(pool.offered));
    return map;
}

ElementPtr peer_map(const fo_config_peer &peer)
{
    const ElementPtr map = Element::createMap();
    map->set("name", text(peer.name));
    map->set("url", text(peer.url));
    map->set("role", text(peer.primary ? "primary" : "secondary"));
    return map;
}

const char *mode_of(const fo_config_relationship &config)
{
    return config.hot_standby ? "hot-standby" : "load-balancing";
}

/* Which server is active by the division in force; null: none is the only one. */
const char *active_of(const Status &status)
{
    return !status.parameters->hot_standby ? nullptr
           : status.buckets == 256         ? status.self_name
           : status.buckets == 0           ? status.partner_name
                                           : nullptr;
}

ElementPtr parameters_map(const fo_config_relationship &config, const char *state_file)
{
    const ElementPtr map = Element::createMap();
    const ElementPtr peers = Element::createList();
    const ElementPtr subnets = Element::createList();
    peers->add(peer_map(config.primary ? config.self : config.partner));
    peers->add(peer_map(config.primary ? config.partner : config.self));
    for (size_t i = 0; i < config.subnet_count; i++) {
        subnets->add(integer(config.subnets[i]));
    }
    map->set("this-server-name", text(config.self.name));
    map->set("mode", text(mode_of(config)));
    map->set("relationship-name", text(config.name));
    map->set("peers", peers);
    map->set("subnets", subnets);
    map->set("max-client-lead-time", integer(config.mclt));
    if (config.hot_standby) {
        map->set("active", text(config.active ? config.self.name : config.partner.name));
        map->set("reserve-percent", integer(config.reserve_percent));
    } else {
        map->set("load-balance-percent", integer(config.primary_percent));
        map->set("load-balance-max-seconds", integer(config.max_seconds));
    }
    /* Null: a third of the partner's max-response-delay, which only the partner knows. */
    map->set("contact-interval", moment(config.contact_interval));
    map->set("max-response-delay", integer(config.max_response_delay));
    map->set("startup-delay", integer(config.startup_delay));
    map->set("connect-retry-delay", integer(config.connect_retry_delay));
    map->set("max-unacked-updates", integer(config.max_unacked));
    map->set("offer-hold", integer(config.offer_hold));
    map->set("max-clock-skew", integer(config.max_clock_skew));
    map->set("digest", text(fo_config_digest_name(&config)));
    map->set("auto-partner-down", integer(config.auto_partner_down));
    map->set("partner-down-lease-time", text(config.partner_down_full_time ? "full" : "mclt"));
    map->set("startup-without-partner",
             text(fo_config_without_partner_name(config.without_partner)));
    map->set("hash-input", text(config.hash_hardware ? "hw-address" : "client-identifier"));
    map->set("normal-renewals", text(config.owner_renews ? "owner-only" : "any"));
    map->set("lease-growth", text(config.gradual_growth ? "gradual" : "full"));
    map->set("interrupted-lease-time", text(config.interrupted_bound ? "protocol" : "mclt"));
    map->set("interrupted-use-partner-addresses", Element::create(config.interrupted_takes_all));
    map->set("state-file", text(state_file));
    return map;
}

/* Null: the partner accepts whatever it was told. */
ElementPtr rejected_map(const Status &status)
{
    const fo_rejected &example = status.rejected_example;
    if (example.address == 0) {
        return Element::create();
    }
    const ElementPtr map = Element::createMap();
    map->set("address", text(isc::asiolink::IOAddress(example.address).toText().c_str()));
    map->set("binding-status", text(status.rejected_status));
    map->set("reason", text(example.reason != 0 ? status.rejected_reason : nullptr));
    map->set("reason-code", integer(example.reason));
    map->set("partner-says", text_or_null(example.text));
    map->set("time", moment(example.time));
    return map;
}

ElementPtr updates_map(const Status &status)
{
    const ElementPtr map = Element::createMap();
    map->set("pending", integer(status.pending));
    map->set("unacknowledged", integer(status.unacknowledged));
    map->set("unstored", integer(status.unstored));
    map->set("rejected", integer(status.rejected));
    map->set("rejected-example", rejected_map(status));
    map->set("sent", integer(status.updates_sent));
    map->set("received", integer(status.updates_received));
    map->set("rejected-by-partner", integer(status.updates_rejected));
    map->set("refused-from-partner", integer(status.updates_refused));
    map->set("acknowledged-in-ms", integer(status.ack_ms));
    map->set("acknowledged-in-ms-longest", integer(status.ack_longest_ms));
    return map;
}

ElementPtr differences_list(const Status &status)
{
    const ElementPtr list = Element::createList();
    for (const char *const *key = status.differences; *key != nullptr; key++) {
        list->add(text(*key));
    }
    return list;
}

ElementPtr subnets_list(size_t relationship)
{
    const ElementPtr list = Element::createList();
    PoolStatus pool;
    for (size_t i = 0; fo_pool_status(service(), relationship, i, &pool); i++) {
        list->add(subnet_map(pool));
    }
    return list;
}

ElementPtr relationship_map(size_t index, const Status &status)
{
    const ElementPtr map = Element::createMap();
    map->set("name", text(status.name));
    map->set("role", text(status.primary ? "primary" : "secondary"));
    map->set("mode", text(mode_of(*status.parameters)));
    map->set("active", text(active_of(status)));
    map->set("this-server-name", text(status.self_name));
    map->set("partner-name", text(status.partner_name));
    map->set("partner-url", text(status.partner_url));
    map->set("state", text(lower(status.state).c_str()));
    map->set("partner-state", text(lower(status.partner_state).c_str()));
    map->set("state-code", integer(status.state_code));
    map->set("partner-state-code", integer(status.partner_state_code));
    map->set("state-since", moment(status.state_since));
    map->set("partner-state-since", moment(status.partner_state_since));
    map->set("connected", Element::create(status.connected));
    map->set("connection", text(status.connection));
    map->set("last-contact", moment(status.last_contact));
    map->set("last-error", text_or_null(status.last_error));
    map->set("last-error-time", moment(status.last_error_time));
    map->set("state-file-error", text_or_null(status.state_file_error));
    map->set("state-file-error-since", moment(status.state_file_error_since));
    map->set("listen-error", text_or_null(status.listen_error));
    map->set("meaning", text(status.meaning));
    map->set("refusing", text_or_null(status.refusing));
    map->set("way-out", text_or_null(status.way_out));
    map->set("deadline", moment(status.deadline));
    map->set("quarantined", integer(status.quarantined));
    map->set("quarantined-until", moment(status.quarantined_until));
    map->set("mclt", integer(status.mclt));
    map->set("buckets", integer(status.buckets));
    map->set("clock-difference", integer(status.clock_difference));
    map->set("partner-mode", text(status.partner_mode));
    map->set("partner-hash-input", text(status.partner_hash_input));
    map->set("differences", differences_list(status));
    map->set("updates", updates_map(status));
    map->set("queries-dropped", integer(status.queries_dropped));
    map->set("clients-refused", integer(status.clients_refused));
    map->set("subnets", subnets_list(index));
    map->set("parameters", parameters_map(*status.parameters, status.state_file));
    return map;
}

/* The argument `relationship`, or "" for all. Throws where it is wrong. */
std::string wanted_relationship(const ConstElementPtr &arguments)
{
    std::string name;
    if (!arguments) {
        return name;
    }
    for (const auto &entry : arguments->mapValue()) {
        if (entry.first != "relationship" || entry.second->getType() != Element::string) {
            refuse("'" + entry.first +
                   "' is not allowed here: the only argument is 'relationship', the name of one, "
                   "a string");
        }
        name = entry.second->stringValue();
    }
    return name;
}

ConstElementPtr status_answer(const std::string &wanted)
{
    const ElementPtr list = Element::createList();
    Status status;
    const size_t count = service() != nullptr ? fo_relationship_count(service()) : 0;
    for (size_t i = 0; i < count && fo_relationship_status(service(), i, &status); i++) {
        if (wanted.empty() || wanted == status.name) {
            list->add(relationship_map(i, status));
        }
    }
    if (!wanted.empty() && list->empty()) {
        refuse("there is no relationship '" + wanted + "'");
    }
    const ElementPtr arguments = Element::createMap();
    arguments->set("relationships", list);
    return createAnswer(isc::config::CONTROL_RESULT_SUCCESS, arguments);
}

ConstElementPtr status(const ConstElementPtr &arguments)
{
    return status_answer(wanted_relationship(arguments));
}

extern "C" int failover_status_get(CalloutHandle &handle)
{
    return answer_command(handle, "failover-status-get", status);
}

/* ------------------------------------------------------------------ status-get */

/* `normal` is the word for NORMAL: it is called after the mode. */
const char *ha_word(const std::string &state, const char *normal)
{
    const struct {
        const char *state;
        const char *word;
    } words[] = {
        {"normal", normal},
        {"communications-interrupted", "communication-recovery"},
        {"resolution-interrupted", "communication-recovery"},
        {"partner-down", "partner-down"},
        {"startup", "waiting"},
        {"recover-wait", "waiting"},
        {"recover", "syncing"},
        {"potential-conflict", "syncing"},
        {"recover-done", "ready"},
        {"conflict-done", "ready"},
        {"paused", "in-maintenance"},
        {"shutdown", "in-maintenance"},
    };
    for (const auto &entry : words) {
        if (state == entry.state) {
            return entry.word;
        }
    }
    return "waiting";
}

/* Whose clients a server answers in a state: its own (a standby has none), or both servers'. */
ElementPtr scopes(const std::string &state, const char *own, const char *other, bool stands_by)
{
    const ElementPtr list = Element::createList();
    const bool both = state == "communications-interrupted" || state == "partner-down";
    if (both || (state == "normal" && !stands_by)) {
        list->add(text(own));
    }
    if (both) {
        list->add(text(other));
    }
    return list;
}

ElementPtr local_map(const Status &status)
{
    const std::string state = lower(status.state);
    const bool stands_by = status.parameters->hot_standby && status.buckets == 0;
    const ElementPtr map = Element::createMap();
    map->set("server-name", text(status.self_name));
    map->set("role", text(status.primary ? "primary" : "secondary"));
    /* Where clients are refused, other than by the division, nobody is answered for. */
    map->set("scopes", status.refusing != nullptr
                           ? Element::createList()
                           : scopes(state, status.self_name, status.partner_name, stands_by));
    map->set("state", text(ha_word(state, mode_of(*status.parameters))));
    map->set("system-time", Element::create());
    return map;
}

ElementPtr remote_map(const Status &status)
{
    const std::string state = lower(status.partner_state);
    const char *word = ha_word(state, mode_of(*status.parameters));
    const bool stands_by = status.parameters->hot_standby && status.buckets == 256;
    const int64_t age = status.last_contact != 0 ? time(nullptr) - status.last_contact : 0;
    const ElementPtr map = Element::createMap();
    map->set("server-name", text(status.partner_name));
    map->set("role", text(status.primary ? "secondary" : "primary"));
    map->set("last-state", text(status.connected ? word : "unavailable"));
    map->set("last-scopes", status.connected ? scopes(state, status.partner_name, status.self_name,
                                                      stands_by)
                                             : Element::createList());
    map->set("age", integer(age > 0 ? age : 0));
    map->set("in-touch", Element::create(status.connected));
    map->set("communication-interrupted", Element::create(!status.connected));
    /* Kea's library counts what it hears of the partner's clients; failover has no need to. */
    for (const char *counter :
         {"connecting-clients", "unacked-clients", "unacked-clients-left", "analyzed-packets"}) {
        map->set(counter, integer(0));
    }
    map->set("system-time", Element::create());
    map->set("clock-skew", Element::create());
    return map;
}

ElementPtr ha_map(const Status &status)
{
    const ElementPtr map = Element::createMap();
    const ElementPtr servers = Element::createMap();
    servers->set("local", local_map(status));
    servers->set("remote", remote_map(status));
    map->set("ha-mode", text(mode_of(*status.parameters)));
    map->set("ha-servers", servers);
    return map;
}

ElementPtr failover_pools(size_t relationship)
{
    const ElementPtr list = Element::createList();
    PoolStatus pool;
    for (size_t i = 0; fo_pool_status(service(), relationship, i, &pool); i++) {
        const ElementPtr map = Element::createMap();
        map->set("subnet-id", integer(pool.subnet_id));
        map->set("active", integer(pool.active));
        map->set("free", integer(pool.free));
        map->set("backup", integer(pool.backup));
        list->add(map);
    }
    return list;
}

ElementPtr failover_map(size_t index, const Status &status)
{
    const std::string state = lower(status.state);
    const ElementPtr map = Element::createMap();
    map->set("relationship", text(status.name));
    map->set("role", text(status.primary ? "primary" : "secondary"));
    map->set("state", text(state.c_str()));
    map->set("state-code", integer(status.state_code));
    map->set("state-since", integer(status.state_since));
    map->set("partner-state", text(lower(status.partner_state).c_str()));
    map->set("partner-state-code", integer(status.partner_state_code));
    map->set("connected", Element::create(status.connected));
    map->set("last-contact", integer(status.last_contact));
    map->set("mclt", integer(status.mclt));
    /* `split` as in ISC dhcpd: how many of the 256 buckets are the primary's. */
    map->set("split", integer(status.primary ? status.buckets : 256 - status.buckets));
    map->set("unacked-updates", integer(status.unacknowledged));
    map->set("queued-updates", integer(status.pending));
    map->set("ha-state", text(ha_word(state, mode_of(*status.parameters))));
    map->set("pools", failover_pools(index));
    return map;
}

/* The list under a key of a map: what is there already stays. */
ElementPtr list_in(const ElementPtr &map, const char *key)
{
    const ConstElementPtr there = map->get(key);
    if (there && there->getType() == Element::list) {
        return boost::const_pointer_cast<Element>(there);
    }
    const ElementPtr list = Element::createList();
    map->set(key, list);
    return list;
}

} // namespace

void add_to_status(CalloutHandle &handle)
{
    ConstElementPtr response;
    handle.getArgument("response", response);
    const ConstElementPtr arguments = response ? response->get("arguments") : ConstElementPtr();
    if (!arguments || arguments->getType() != Element::map || service() == nullptr) {
        return;
    }
    const ElementPtr map = boost::const_pointer_cast<Element>(arguments);
    const ElementPtr high_availability = list_in(map, "high-availability");
    const ElementPtr failover = list_in(map, "failover");
    Status status;
    const size_t count = fo_relationship_count(service());
    for (size_t i = 0; i < count && fo_relationship_status(service(), i, &status); i++) {
        high_availability->add(ha_map(status));
        failover->add(failover_map(i, status));
    }
}

void register_commands(isc::hooks::LibraryHandle &handle)
{
    handle.registerCommandCallout("failover-status-get", failover_status_get);
}

} // namespace failover
