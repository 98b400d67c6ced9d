// Misses <string>, on purpose.

#pragma once

std::string lonely();
