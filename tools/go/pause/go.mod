module ddtas.nl/tools/pause

go 1.26.0
