-- Lua visits the keys of a table in an order that differs from process to process, and substrates
-- draw random numbers as they visit. From here on `pairs` visits numbers, then strings, then
-- booleans, each in their own order, and last whatever has no order.
local visit = next
local RANK = {number = 1, string = 2, boolean = 3}

local function before(a, b)
  local rank_a, rank_b = RANK[type(a)] or 4, RANK[type(b)] or 4
  if rank_a ~= rank_b then return rank_a < rank_b end
  if rank_a <= 2 then return a < b end
  return rank_a == 3 and b and not a
end

-- Whether the keys are 1, 2, 3, ... and come in that order by themselves.
local function is_list(t)
  local place = 0
  for key in visit, t do
    place = place + 1
    if key ~= place then return false end
  end
  return true
end

function pairs(t)
  if is_list(t) then return visit, t, nil end
  local keys, count = {}, 0
  for key in visit, t do
    count = count + 1
    keys[count] = key
  end
  table.sort(keys, before)
  local place = 0
  return function()
    while place < count do
      place = place + 1
      local key = keys[place]
      local value = t[key]
      if value ~= nil then return key, value end  -- else it was taken away meanwhile
    end
  end, t, nil
end

