"""Files of one data set, as publishers name and place them: their parts and their order."""
