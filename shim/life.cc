/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The library's life. Kea unloads and loads its libraries at every change of its configuration;
 * this one stays in memory (-z nodelete), and so do its service, its threads and its connections.
 *
 * The service is made by the first configuration, not by load(): before, neither the lease file is
 * known nor whether Kea only checks a configuration.
 *
 * After a refusal, ours or another's, Kea may run on with the configuration it had. So a packet is
 * answered only while the service knows the very configuration that Kea is running; otherwise the
 * main thread is woken, and reads parameters and subnets from the running one.
 */
#include "shim/life.h"

#include <database/database_connection.h>
#include <dhcp/iface_mgr.h>
#include <dhcpsrv/cfg_multi_threading.h>
#include <dhcpsrv/cfgmgr.h>
#include <dhcpsrv/lease_mgr.h>
#include <dhcpsrv/lease_mgr_factory.h>
#include <util/multi_threading_mgr.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "hook/env_real.h"

namespace failover {

using isc::dhcp::CfgMgr;
using isc::dhcp::LeaseMgrFactory;
using isc::dhcp::SrvConfig;
using isc::dhcp::SrvConfigPtr;

Life life;

/* Kea tells neither. But each configuration that is to be run sets, between load() and its callout, what is to
   be called when a database is lost, and Kea withdraws that at its exit before it unloads. (Whether there
   is a lease manager tells nothing: `kea-dhcp4 -T` makes one, and Kea 3.0 closes its own for each new
   configuration; so does a lost database.) */
bool kea_serves()
{
    return static_cast<bool>(isc::db::DatabaseConnection::db_lost_callback_);
}

void Life::create(const std::string &state_file)
{
    char error[FO_CONFIG_ERROR_MAX] = "";
    fo_env_real_settings settings = {};
    settings.state_file = state_file.c_str();
    settings.log = failover_log;
    settings.wake_rows = failover_wake_rows;
    env_ = fo_env_real_new(&settings);
    if (env_ == nullptr) {
        refuse(std::string("failover service: ") + strerror(errno));
    }
    service = fo_service_new(fo_env_real_env(env_), error);
    if (service == nullptr) {
        fo_env_real_free(env_);
        env_ = nullptr;
        log(FAILOVER_STORE_UNREADABLE, {state_file, error});
        refuse("state-file: the service cannot start with " + state_file + ": " + error);
    }
    state_file_ = state_file;
}

void Life::start()
{
    if (running_) {
        return;
    }
    hold_log(true); /* this is within Kea's first configuration */
    const int error = fo_env_real_run(env_, service);
    if (error != 0) {
        refuse(std::string("failover service: cannot start a thread: ") + strerror(error));
    }
    running_ = true;
}

void Life::learn_subnets(const SrvConfig &server, const fo_config &config)
{
    std::unordered_map<std::string, bool> guarded_networks;
    const auto all = server.getCfgSubnets4()->getAll();
    const auto has_guards = [](const isc::dhcp::Subnet4 &subnet) {
        bool guards = has_class_guard(subnet);
        for (const auto &pool : subnet.getPools(isc::dhcp::Lease::TYPE_V4)) {
            guards = guards || has_class_guard(*pool);
        }
        return guards;
    };
    for (const auto &subnet : *all) {
        bool &guards = guarded_networks[subnet->getSharedNetworkName()];
        guards = guards || has_guards(*subnet);
    }
    subnets.clear();
    for (const auto &subnet : *all) {
        const std::string network = subnet->getSharedNetworkName();
        if (fo_config_relationship_of(&config, subnet->getID()) >= 0) {
            subnets[subnet->getID()].guards =
                network.empty() ? has_guards(*subnet) : guarded_networks[network];
        }
    }
}

/* Tells the service a configuration of Kea. Throws with the reason where that cannot be; the
   service then knows what it knew before. */
void Life::configure(const SrvConfigPtr &server)
{
    char error[FO_CONFIG_ERROR_MAX] = "";
    Config config;
    config.parse(own_parameters(libraries_of(*server)));
    const Topology topology(*server);
    check_fit(*server, config.get(), topology.get());
    if (!kea_serves() || !LeaseMgrFactory::haveInstance()) {
        return;
    }
    watch_databases();
    if (*config.get().state_file == '\0') {
        config.set_state_file(default_state_file(*server));
    }
    const std::string state_file = config.get().state_file;
    if (service == nullptr) {
        create(state_file);
    } else if (state_file != state_file_) {
        log(FAILOVER_CONFIG_WARNING,
            {"state-file", "the change to " + state_file + " takes effect when Kea is restarted"});
    }
    if (fo_service_configure(service, &config.get(), &topology.get(), error) != 0) {
        refuse(error);
    }
    try {
        learn_subnets(*server, config.get());
        owners = topology.owners();
        rows_unknown = true;
        reconcile_rows();
        rows_unknown = false;
        start();
    } catch (...) {
        suspend(); /* or the partner would leave us clients whom nobody answers */
        throw;
    }
    kept_ = server;
    known = server.get();
    refused = nullptr;
}

/* A reload, or the library's removal: which of the two, the service cannot see either. */
void Life::suspend()
{
    known = nullptr;
    kept_.reset();
    if (service != nullptr) {
        fo_service_suspend(service);
    }
}

void Life::hold_log(bool hold)
{
    const uint32_t at_most = 5000; /* ms; a reload may take long, and must not hide what happens */
    if (env_ != nullptr && hold != log_held_) {
        fo_env_real_hold_log(env_, hold ? at_most : 0);
        log_held_ = hold;
    }
}

void Life::end()
{
    known = nullptr;
    kept_.reset();
    if (service == nullptr) {
        return;
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(3);
    if (running_) {
        fo_service_stop(service);
        while (!fo_service_stopped(service) && std::chrono::steady_clock::now() < deadline) {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        const bool in_order = fo_service_stopped(service);
        fo_env_real_stop(env_);
        if (in_order) {
            log(FAILOVER_STOPPED, {});
        }
    }
    fo_service *ended = service;
    service = nullptr;
    fo_service_free(ended);
    fo_env_real_free(env_);
    env_ = nullptr;
    running_ = log_held_ = false;
}

/* The process ends and nobody called unload(): at least no thread may outlive what it uses. */
void Life::end_at_exit()
{
    if (running_) {
        running_ = false;
        fo_env_real_stop(env_);
    }
}

/* Kea's DHCP service, on our behalf. */
void Life::enable_kea(bool wanted)
{
    if (network_state && disabled == wanted) {
        if (wanted) {
            network_state->enableService(own_origin());
        } else {
            network_state->disableService(own_origin());
        }
        disabled = !wanted;
    }
}

/* What a refused configuration leaves behind: Kea may run on with the one before. */
void look_again_soon()
{
    failover_wake_rows(nullptr);
}

/* ------------------------------------------------------------------ asked by packets */

fo_service *service()
{
    return life.service;
}

bool in_step()
{
    const SrvConfigPtr running = CfgMgr::instance().getCurrentCfg();
    if (running.get() == life.known) {
        return true;
    }
    if (running.get() != life.refused) {
        look_again_soon();
    }
    return false;
}

bool governed(uint32_t subnet_id)
{
    return life.subnets.count(subnet_id) != 0;
}

bool guarded_by_class(uint32_t subnet_id)
{
    const auto found = life.subnets.find(subnet_id);
    return found != life.subnets.end() && found->second.guards;
}

bool is_owner(uint64_t number)
{
    return std::binary_search(life.owners.begin(), life.owners.end(), number);
}

/* ------------------------------------------------------------------ asked by the main thread */

void configuration_edited()
{
    life.known = nullptr;
    life.refused = nullptr;
    get_in_step();
}

void main_loop_runs()
{
    life.hold_log(false);
}

/* Kea reads a configuration with its sockets closed, and where it fails, they stay so. */
void give_pulse()
{
    if (life.service == nullptr) {
        return;
    }
    const bool leases = LeaseMgrFactory::haveInstance(); /* not while its database is lost */
    if (!leases) {
        life.rows_unknown = true;
    } else if (life.rows_unknown && life.loads > 0) {
        configuration_edited();
    }
    const bool enabled = !life.network_state || life.network_state->isServiceEnabled();
    const char *idle = life.loads == 0 ? "its Kea has unloaded the failover library"
                       : !enabled      ? "its DHCP service is disabled"
                       : !leases       ? "it has lost its lease database"
                       : !isc::dhcp::IfaceMgr::instance().hasOpenSocket(AF_INET)
                           ? "it listens on no interface (a configuration that failed closes all)"
                           : nullptr;
    fo_kea_pulse(life.service, idle);
}

/* Kea loads all libraries or none: where another one fails, it goes on without us. After `libreload`
   with its sockets open, and any address is leased. */
bool loaded()
{
    if (life.loads > 0) {
        return true;
    }
    const bool missed = names_us(libraries_of(*CfgMgr::instance().getCurrentCfg()));
    if (missed && !life.disabled && life.service != nullptr) {
        log(FAILOVER_NOT_LOADED, {});
    }
    life.enable_kea(!missed);
    return false;
}

namespace {

/* A configuration that is refused as late as by a hook library leaves Kea 2.2 with multi-threading
   switched on and no threads: it would take packets and never look at them. */
void restore_threads(const SrvConfig &running)
{
    auto &threading = isc::util::MultiThreadingMgr::instance();
    if (threading.getMode() && threading.getThreadPool().size() == 0) {
        isc::dhcp::CfgMultiThreading::apply(running.getDHCPMultiThreading());
    }
}

} // namespace

void get_in_step() noexcept
{
    guarded("configuration", [] {
        const SrvConfigPtr running = CfgMgr::instance().getCurrentCfg();
        if (life.loads == 0 || running.get() == life.known || running.get() == life.refused ||
            !LeaseMgrFactory::haveInstance()) {
            return;
        }
        restore_threads(*running);
        isc::util::MultiThreadingCriticalSection no_packets;
        life.refused = running.get(); /* until it turns out otherwise */
        try {
            if (life.rows_unknown) {
                LeaseMgrFactory::instance().recountLeaseStats4();
            }
            life.configure(running);
        } catch (const std::exception &error) {
            log(FAILOVER_CONFIG_REFUSED, {error.what()});
            life.suspend();
        }
    });
}

} // namespace failover
