/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Stands in for a header that Kea 2.2 forgot to install. network.h includes it, so without it no
 * hook library that knows subnets can be compiled. configure uses this file only where Kea's own
 * is missing; from 2.4 on Kea installs it.
 *
 * Written from what network.h and srv_config.h call, and from the numbers in the table
 * CfgGlobals::nameToIndex of the running library: the numbers are compiled into our copies of
 * network.h's inline functions, so they must be those of 2.2. Objects of the class are made by Kea
 * only.
 */
#ifndef CFG_GLOBALS_H
#define CFG_GLOBALS_H

#include <cc/cfg_to_element.h>
#include <cc/data.h>

#include <boost/shared_ptr.hpp>

#include <string>
#include <vector>

namespace isc {
namespace dhcp {

/* The global parameters of a configuration, by number. */
class CfgGlobals : public isc::data::CfgToElement {
public:
    enum Index : int {
        VALID_LIFETIME = 0,
        MIN_VALID_LIFETIME = 1,
        MAX_VALID_LIFETIME = 2,
        RENEW_TIMER = 3,
        REBIND_TIMER = 4,
        RESERVATIONS_GLOBAL = 10,
        RESERVATIONS_IN_SUBNET = 11,
        RESERVATIONS_OUT_OF_POOL = 12,
        CALCULATE_TEE_TIMES = 13,
        T1_PERCENT = 14,
        T2_PERCENT = 15,
        HOSTNAME_CHAR_SET = 16,
        HOSTNAME_CHAR_REPLACEMENT = 17,
        DDNS_SEND_UPDATES = 18,
        DDNS_OVERRIDE_NO_UPDATE = 19,
        DDNS_OVERRIDE_CLIENT_UPDATE = 20,
        DDNS_REPLACE_CLIENT_NAME = 21,
        DDNS_GENERATED_PREFIX = 22,
        DDNS_QUALIFYING_SUFFIX = 23,
        STORE_EXTENDED_INFO = 24,
        CACHE_THRESHOLD = 27,
        CACHE_MAX_AGE = 28,
        DDNS_UPDATE_ON_RENEW = 32,
        DDNS_USE_CONFLICT_RESOLUTION = 33,
        MATCH_CLIENT_ID = 36,
        AUTHORITATIVE = 37,
        NEXT_SERVER = 38,
        SERVER_HOSTNAME = 39,
        BOOT_FILE_NAME = 40,
        PREFERRED_LIFETIME = 42,
        MIN_PREFERRED_LIFETIME = 43,
        MAX_PREFERRED_LIFETIME = 44,
    };

    isc::data::ConstElementPtr get(const std::string& name) const;
    isc::data::ConstElementPtr get(int index) const;
    void set(const std::string& name, isc::data::ConstElementPtr value);
    void clear();
    virtual isc::data::ElementPtr toElement() const;

private:
    CfgGlobals();
    std::vector<isc::data::ConstElementPtr> values_;
};

typedef boost::shared_ptr<CfgGlobals> CfgGlobalsPtr;
typedef boost::shared_ptr<const CfgGlobals> ConstCfgGlobalsPtr;

} // namespace dhcp
} // namespace isc

#endif
