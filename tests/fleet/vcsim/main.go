// A vCenter for tests: govmomi's simulator with TLS, a login and the REST endpoint of tags.
//
// Prints its port and serves until stdin is closed.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"log"
	"net/url"
	"os"
	"sort"
	"strings"

	"github.com/vmware/govmomi/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator"
)

func main() {
	machines := flag.Int("vms", 2, "VMs of each resource pool")
	guests := flag.String("guests", "", "guest ids, given to the VMs in turn")
	certificate := flag.String("cert", "", "PEM file of certificate and key")
	inaccessible := flag.Bool("inaccessible", false, "let the first VM be inaccessible, as when its storage is away")
	uuid := flag.String("uuid", "", "instance UUID of the vCenter")
	flag.Parse()

	model := simulator.VPX()
	model.Machine = *machines
	model.ServiceContent.About.InstanceUuid = *uuid
	defer model.Remove()
	if err := model.Create(); err != nil {
		log.Fatal(err)
	}
	if *guests != "" {
		ids := strings.Split(*guests, ",")
		all := simulator.Map.All("VirtualMachine")
		// By number of the id, which is the order in which they were made.
		number := func(i int) (id int) {
			fmt.Sscanf(all[i].Reference().Value, "vm-%d", &id)
			return
		}
		sort.Slice(all, func(i, j int) bool { return number(i) < number(j) })
		for i, entity := range all {
			vm := entity.(*simulator.VirtualMachine)
			vm.Config.GuestId = ids[i%len(ids)]
			vm.Summary.Config.GuestId = vm.Config.GuestId
		}
	}
	if *inaccessible {
		vm := simulator.Map.Any("VirtualMachine").(*simulator.VirtualMachine)
		vm.Config = nil
		vm.Runtime.ConnectionState = "inaccessible"
	}
	pair, err := tls.LoadX509KeyPair(*certificate, *certificate)
	if err != nil {
		log.Fatal(err)
	}
	model.Service.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	model.Service.RegisterEndpoints = true
	model.Service.Listen = &url.URL{Host: "127.0.0.1:0", User: url.UserPassword("reader@vsphere.local", "secret")}
	server := model.Service.NewServer()
	defer server.Close()
	fmt.Println(server.URL.Port())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
