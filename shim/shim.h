/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The shim's rooms, one file each: entry, life, config, topology, callouts, packet, leases, details, statistics,
 * commands, orders, log, version. The shim translates between Kea's objects and the service
 * (hook/failover.h); it decides nothing.
 *
 * Kea's lease, statistics and configuration managers are called only from Kea's main thread or, in
 * a callout, from the thread that carries the packet. The service's own thread calls in here by two
 * functions only, for the log and to wake the main thread, and both are safe for that.
 */
#ifndef FO_SHIM_SHIM_H
#define FO_SHIM_SHIM_H

#include "shim/kea_compat.h"

#include <cc/data.h>
#include <dhcp/hwaddr.h>
#include <dhcp/option.h>
#include <dhcp/pkt4.h>
#include <dhcpsrv/host.h>
#include <dhcpsrv/lease.h>
#include <dhcpsrv/srv_config.h>
#include <hooks/hooks.h>
#include <log/logger_support.h>
#include <log/macros.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "hook/config.h"
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow" /* a function named like its struct is usual in C */
#include "hook/failover.h"
#pragma GCC diagnostic pop
#include "hook/messages.h"

namespace failover {

/* ------------------------------------------------------------------ log.cc */

/* Kea's logger of this library: "kea-dhcp4.failover-hooks". */
extern isc::log::Logger &logger;

/* Logs a message of hook/messages.def. Never throws. */
[[gnu::cold]] void log(fo_log_id id, std::initializer_list<std::string> arguments) noexcept;
/* The same for the service, which calls it from any thread. */
extern "C" void failover_log(void *context, fo_log_id id, const char *const arguments[]);
/* True if somebody reads debug messages: only then are they worth formatting. */
bool debug_wanted();

/* Runs `body`; an exception is logged and becomes false. Kea only logs what a callout throws and
   goes on with the packet, so every entry of ours goes through here. */
template <typename Body> bool guarded(const char *where, Body body) noexcept;

/* ------------------------------------------------------------------ config.cc */

/* Throws isc::BadValue: why a configuration cannot be. */
[[noreturn]] void refuse(const std::string &text);

/* The parameters, owned. */
class Config {
public:
    Config() : config_() {}
    ~Config() { fo_config_free(&config_); }
    Config(const Config &) = delete;
    Config &operator=(const Config &) = delete;
    /* Refuses with fo_config_parse's text. */
    void parse(const isc::data::ConstElementPtr &parameters);
    void set_state_file(const std::string &path);
    const fo_config &get() const { return config_; }

private:
    fo_config config_;
};

/* Finds our own entry and returns its parameters. Refuses neighbours with which the library cannot
   work. */
isc::data::ConstElementPtr own_parameters(const std::vector<LibraryEntry> &libraries);
/* Whether this library is among them. */
bool names_us(const std::vector<LibraryEntry> &libraries);
/* What speaks against these parameters with this configuration of Kea, and against the latter
   whatever the parameters say: refuses. */
void check_fit(const isc::dhcp::SrvConfig &server, const fo_config &config,
               const fo_topology &topology);
/* `config-test`: turns the answer into an error if our parameters are wrong in the configuration
   under test. */
void check_tested_config(isc::hooks::CalloutHandle &handle);
/* Takes the secret out of the answer of config-get. Throws where it cannot. */
void redact_answer(isc::hooks::CalloutHandle &handle);

/* ------------------------------------------------------------------ topology.cc */

/* Kea's subnets, pools and reservations as the service wants them, owned. */
class Topology {
public:
    explicit Topology(const isc::dhcp::SrvConfig &server);
    const fo_topology &get() const { return topology_; }
    /* Who has an address reserved, by host_number(); sorted. */
    const std::vector<uint64_t> &owners() const { return owners_; }

private:
    void add_subnet(const isc::dhcp::Subnet4 &subnet, uint32_t network);
    void add_reservation(const isc::dhcp::Host &host);
    void add_reservations(const isc::dhcp::SrvConfig &server);

    std::vector<fo_pool_range> pools_;
    std::vector<uint64_t> owners_;
    std::vector<uint32_t> subnets_, networks_, reserved_;
    fo_topology topology_;
};

/* The file of the service's stable storage, unless `state-file` names one. */
std::string default_state_file(const isc::dhcp::SrvConfig &server);
/* Whether leases survive a power cut as far as Kea can tell. */
bool leases_persist(const isc::dhcp::SrvConfig &server);

/* ------------------------------------------------------------------ life.cc */

/* The service, or NULL before the first configuration and after the end. */
fo_service *service();
/* True where the service knows the configuration that Kea is running. If not, the main thread has
   been asked to tell it, and the packet is to be dropped. Any thread. */
bool in_step();
/* Whether a relationship governs a subnet, and whether class guards concern its network. */
bool governed(uint32_t subnet_id);
bool guarded_by_class(uint32_t subnet_id);
/* Whether the configuration, or a database as it was then, reserves an address for this host_number(). */
bool is_owner(uint64_t number);
/* Main thread: Kea changed subnets or reservations of the running configuration. */
void configuration_edited();
/* Main thread: reconfigures where Kea went back to an older configuration. */
void get_in_step() noexcept;
/* Main thread: tells the service that it runs, and whether Kea answers clients (rule of safety 14). */
void give_pulse();
/* Kea has done with a configuration, if there was one. */
void main_loop_runs();
/* Main thread: whether Kea has loaded this library. Where it should have and has not, it may serve nobody. */
bool loaded();

/* ------------------------------------------------------------------ callouts.cc */

/* Registers the callouts of packets. */
void register_callouts(isc::hooks::LibraryHandle &handle);

/* ------------------------------------------------------------------ packet.cc */

/* Fills in a client; the pointers live as long as the two objects. */
void describe_client(const isc::dhcp::HWAddrPtr &hardware, const std::vector<uint8_t> *identifier,
                     fo_client &client);
/* By which one of the owner's identifiers is known where it does not matter if it is another's. */
uint64_t host_number(isc::dhcp::Host::IdentifierType type, const std::vector<uint8_t> &identifier);

/* ------------------------------------------------------------------ leases.cc */

/* The eventfd by which any thread wakes Kea's main thread; registered and removed there. */
bool open_wake(std::string &error);
void close_wake();
void watch_wake();
void unwatch_wake();
extern "C" void failover_wake_rows(void *context);

/* A lease command was processed: what it did to rows of governed addresses is undone (rule of safety
   17). Main thread. */
bool is_lease_command(const std::string &command);
void lease_command(isc::hooks::CalloutHandle &handle, const std::string &command);

/* Shows every row of governed subnets to the service. Main thread. */
void reconcile_rows();

/* Asks Kea's DDNS to remove what DNS has of a lease. */
void remove_names(const isc::dhcp::Lease4Ptr &lease);
/* Deletes the row of an address, if there is one; what DNS has of its lease is the service's concern.
   Throws where it cannot. */
void remove_row(uint32_t address, bool with_names = false);
/* A row of Kea as the service sees it. The pointers in it point into `lease`. */
void describe_row(const isc::dhcp::Lease4 &lease, fo_row &row);

/* ------------------------------------------------------------------ details.cc */

/* What a lease says beside client and times, and back. The pointers live as long as the lease and
   `space` (FO_DETAIL_MAX bytes). */
void read_details(const isc::dhcp::Lease4 &lease, uint8_t *space, fo_details &details);
void write_details(const fo_details &details, isc::dhcp::Lease4 &lease);

/* ------------------------------------------------------------------ statistics.cc */

/* Moves Kea's statistics from the row there was to the row there is; either may be null. */
void count_row(const isc::dhcp::Lease4Ptr &before, const isc::dhcp::Lease4Ptr &after);
/* What count_row has added up in this thread goes to Kea's statistics: before it does anything else. */
void add_counts();

/* ------------------------------------------------------------------ commands.cc */

void register_commands(isc::hooks::LibraryHandle &handle);
/* Adds what we have to say to the answer of status-get. */
void add_to_status(isc::hooks::CalloutHandle &handle);

/* ------------------------------------------------------------------ orders.cc */

void register_orders(isc::hooks::LibraryHandle &handle);
/* The callout of a command: `answer` gets its arguments, a map or null; what it throws becomes an
   error's text. */
int answer_command(isc::hooks::CalloutHandle &handle, const char *name,
                   isc::data::ConstElementPtr (*answer)(
                       const isc::data::ConstElementPtr &arguments)) noexcept;

/* ------------------------------------------------------------------ here */

inline uint32_t number(const isc::asiolink::IOAddress &address)
{
    return address.toUint32();
}

template <typename Body> bool guarded(const char *where, Body body) noexcept
{
    try {
        body();
        return true;
    } catch (const std::exception &error) {
        log(FAILOVER_INTERNAL_ERROR, {where, error.what()});
    } catch (...) {
        log(FAILOVER_INTERNAL_ERROR, {where, "unknown exception"});
    }
    return false;
}

} // namespace failover

#endif
