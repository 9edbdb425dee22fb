/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Kea's configuration as the service wants to see it: pools with their subnets, which subnets share
 * a network, the addresses that reservations name, and what Kea's lease database is.
 */
#include "shim/shim.h"

#include <asiolink/io_address.h>
#include <database/database_connection.h>
#include <dhcpsrv/cfgmgr.h>
#include <dhcpsrv/host_mgr.h>
#include <dhcpsrv/lease_mgr_factory.h>
#include <dhcpsrv/memfile_lease_mgr.h>

#include <algorithm>
#include <cstring>
#include <map>

namespace failover {

using isc::db::DatabaseConnection;
using isc::dhcp::Lease;
using isc::dhcp::Memfile_LeaseMgr;
using isc::dhcp::SrvConfig;

namespace {

DatabaseConnection::ParameterMap lease_database(const SrvConfig &server)
{
    return DatabaseConnection::parse(server.getCfgDbAccess()->getLeaseDbAccessString());
}

std::string value_of(const DatabaseConnection::ParameterMap &map, const std::string &key)
{
    const auto found = map.find(key);
    return found == map.end() ? std::string() : found->second;
}

/* A number for the subnet's network: subnets of one shared network get the same. */
uint32_t network_number(const isc::dhcp::Subnet4 &subnet, std::map<std::string, uint32_t> &shared,
                        uint32_t &last)
{
    const std::string name = subnet.getSharedNetworkName();
    if (name.empty()) {
        return ++last;
    }
    const auto found = shared.find(name);
    return found != shared.end() ? found->second : (shared[name] = ++last);
}

} // namespace

Topology::Topology(const SrvConfig &server) : topology_()
{
    std::map<std::string, uint32_t> shared;
    uint32_t last = 0;
    for (const auto &subnet : *server.getCfgSubnets4()->getAll()) {
        add_subnet(*subnet, network_number(*subnet, shared, last));
    }
    add_reservations(server);

    topology_.pools = pools_.data();
    topology_.pool_count = pools_.size();
    topology_.subnets = subnets_.data();
    topology_.networks = networks_.data();
    topology_.subnet_count = subnets_.size();
    topology_.reserved = reserved_.data();
    topology_.reserved_count = reserved_.size();
    topology_.decline_probation = server.getDeclinePeriod();
    topology_.persistent = leases_persist(server);
    topology_.names = server.getD2ClientConfig()->getEnableUpdates();
}

void Topology::add_subnet(const isc::dhcp::Subnet4 &subnet, uint32_t network)
{
    subnets_.push_back(subnet.getID());
    networks_.push_back(network);
    for (const auto &pool : subnet.getPools(Lease::TYPE_V4)) {
        pools_.push_back({number(pool->getFirstAddress()), number(pool->getLastAddress()),
                          subnet.getID(), network});
    }
}

void Topology::add_reservation(const isc::dhcp::Host &host)
{
    const uint32_t address = number(host.getIPv4Reservation());
    if (address != 0) {
        reserved_.push_back(address);
        owners_.push_back(host_number(host.getIdentifierType(), host.getIdentifier()));
    }
}

/* Reservations of the configuration and of host databases; addresses as far as they lie in pools. */
void Topology::add_reservations(const SrvConfig &server)
{
    std::vector<uint32_t> ids = subnets_;
    ids.push_back(isc::dhcp::SUBNET_ID_GLOBAL);
    for (const uint32_t id : ids) {
        for (const auto &host : server.getCfgHosts()->getAll4(id)) {
            add_reservation(*host);
        }
        for (const auto &source : isc::dhcp::HostMgr::instance().getHostDataSourceList()) {
            for (const auto &host : source->getAll4(id)) {
                add_reservation(*host);
            }
        }
    }
    std::sort(owners_.begin(), owners_.end());
    std::sort(reserved_.begin(), reserved_.end());
    reserved_.erase(std::unique(reserved_.begin(), reserved_.end()), reserved_.end());
    const auto outside = [this](uint32_t address) {
        return std::none_of(pools_.begin(), pools_.end(), [address](const fo_pool_range &pool) {
            return pool.first <= address && address <= pool.last;
        });
    };
    reserved_.erase(std::remove_if(reserved_.begin(), reserved_.end(), outside), reserved_.end());
}

bool leases_persist(const SrvConfig &server)
{
    return value_of(lease_database(server), "persist") != "false";
}

std::string default_state_file(const SrvConfig &server)
{
    const std::string suffix = ".failover";
    const auto *manager = dynamic_cast<Memfile_LeaseMgr *>(
        &static_cast<isc::dhcp::LeaseMgr &>(isc::dhcp::LeaseMgrFactory::instance()));
    const auto database = lease_database(server);
    if (manager != nullptr && !manager->getLeaseFilePath(Memfile_LeaseMgr::V4).empty()) {
        return manager->getLeaseFilePath(Memfile_LeaseMgr::V4) + suffix;
    }
    if (manager != nullptr && !value_of(database, "name").empty()) {
        return value_of(database, "name") + suffix; /* leases that are not stored */
    }
    if (manager != nullptr) {
        return manager->getDefaultLeaseFilePath(Memfile_LeaseMgr::V4) + suffix;
    }
    /* A database server keeps the leases: beside where a lease file would be. */
    return std::string(isc::dhcp::CfgMgr::instance().getDataDir()) + "/kea-leases4.csv" + suffix;
}

} // namespace failover
